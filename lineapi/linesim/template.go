package linesim

import "slices"

// checkTemplate follows https://developers.line.biz/en/reference/messaging-api/#template-messages.
func checkTemplate(t value) {
	if !t.require(textEmpty) || !t.object() {
		return
	}
	switch t.get("type").oneOf("buttons", "confirm", "carousel", "image_carousel") {
	case "buttons":
		checkImageStyle(t)
		checkColumn(t, 160, 4)
	case "confirm":
		t.get("text").text(240, graphemes)
		for _, action := range t.get("actions").list(2, 2) {
			checkAction(action, inTemplate)
		}
	case "carousel":
		checkImageStyle(t)
		columns := t.get("columns").list(1, 10)
		for i, column := range columns {
			column.object()
			checkColumn(column, 120, 3)
			if i > 0 && !alike(columns[0], column) {
				column.fail("Columns must have the same number of actions, and all or none an image or title")
			}
		}
	case "image_carousel":
		for _, column := range t.get("columns").list(1, 10) {
			column.object()
			checkURL(column.get("imageUrl"))
			checkAction(column.get("action"), inImageCarousel)
		}
	}
}

// shortText is the longest text of a column that has an image or a title as well.
const shortText = 60

func checkColumn(column value, text, actions int) {
	column.get("thumbnailImageUrl").link(2000, false, "https")
	column.get("title").optional(40, graphemes)
	if column.get("title").present() || column.get("thumbnailImageUrl").present() {
		text = shortText
	}
	column.get("text").text(text, graphemes)
	if action := column.get("defaultAction"); action.present() {
		checkAction(action, asDefault)
	}
	for _, action := range column.get("actions").list(1, actions) {
		checkAction(action, inTemplate)
	}
}

func alike(a, b value) bool {
	of := func(v value) []bool {
		return []bool{v.get("thumbnailImageUrl").present(), v.get("title").present()}
	}
	actions := func(v value) int {
		list, _ := v.get("actions").v.([]any)
		return len(list)
	}
	return actions(a) == actions(b) && slices.Equal(of(a), of(b))
}

func checkImageStyle(t value) {
	if ratio := t.get("imageAspectRatio"); ratio.present() {
		ratio.oneOf("rectangle", "square")
	}
	if size := t.get("imageSize"); size.present() {
		size.oneOf("cover", "contain")
	}
}
