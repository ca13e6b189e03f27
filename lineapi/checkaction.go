package lineapi

import "fmt"

// label says what an action's label must be, which depends on where the action stands. A max of 0 leaves it unchecked.
type label struct {
	max      int
	required bool
}

// action checks an action object against https://developers.line.biz/en/reference/messaging-api/#action-objects.
func (p *problems) action(n node, l label) {
	p.required(n, "type", 0, nil)
	switch n.text("type") {
	case "postback":
		p.required(n, "data", 300, utf16Units)
		p.optional(n, "displayText", 300, graphemes)
		p.optional(n, "text", 300, graphemes)
		p.optional(n, "fillInText", 300, graphemes)
	case "message":
		p.required(n, "text", 300, graphemes)
	case "uri":
		p.link(n, "uri")
		if n.has("altUri") {
			if alt, ok := p.object(n, "altUri"); ok {
				p.optional(alt, "desktop", 1000, utf16Units)
			}
		}
	case "datetimepicker":
		p.required(n, "data", 300, utf16Units)
		p.required(n, "mode", 0, nil)
	case "clipboard":
		p.required(n, "clipboardText", 1000, utf16Units)
	case "richmenuswitch":
		p.required(n, "data", 300, utf16Units)
		p.required(n, "richMenuAliasId", 32, utf16Units)
	case "camera", "cameraRoll", "location":
	default:
		return // a type of tomorrow: its label is LINE's business
	}
	if l.max == 0 {
		return
	}
	if l.required {
		p.required(n, "label", l.max, graphemes)
	} else {
		p.optional(n, "label", l.max, graphemes)
	}
}

func (p *problems) actions(n node, limit int) []node {
	list := p.objects(n, "actions", limit)
	for _, action := range list {
		p.action(action, label{max: 20, required: true})
	}
	return list
}

// defaultAction checks the action behind the rest of a template, whose label nobody sees.
func (p *problems) defaultAction(n node) {
	if n.has("defaultAction") {
		if action, ok := p.object(n, "defaultAction"); ok {
			p.action(action, label{})
		}
	}
}

// template checks a template object against https://developers.line.biz/en/reference/messaging-api/#template-messages.
func (p *problems) template(n node) {
	p.required(n, "type", 0, nil)
	switch n.text("type") {
	case "buttons":
		p.captioned(n, 160)
		p.actions(n, 4)
		p.defaultAction(n)
	case "confirm":
		p.required(n, "text", 240, graphemes)
		if list, ok := n.fields["actions"].([]any); ok && len(list) != 2 {
			p.add(n.at("actions"), "Size must be 2")
		}
		p.actions(n, 2)
	case "carousel":
		p.carousel(p.objects(n, "columns", 10))
	case "image_carousel":
		for _, column := range p.objects(n, "columns", 10) {
			p.url(column, "imageUrl", true)
			if action, ok := p.object(column, "action"); ok {
				p.action(action, label{max: 12})
			}
		}
	}
}

// captioned checks title, image and text of buttons or a column; the text is at most 60 beside a title or an image.
func (p *problems) captioned(n node, textLimit int) {
	p.url(n, "thumbnailImageUrl", false)
	p.optional(n, "title", 40, graphemes)
	if n.text("title") != "" || n.text("thumbnailImageUrl") != "" {
		textLimit = 60
	}
	p.required(n, "text", textLimit, graphemes)
}

// carousel wants the same number of actions in every column, and a title and an image in all of them or in none.
func (p *problems) carousel(columns []node) {
	for i, column := range columns {
		p.captioned(column, 120)
		p.defaultAction(column)
		list := p.actions(column, 3)
		if i == 0 {
			continue
		}
		first := columns[0]
		if firstList, ok := first.fields["actions"].([]any); ok && list != nil && len(list) != len(firstList) {
			p.add(column.at("actions"), fmt.Sprintf("must be as many as the %d of the first column", len(firstList)))
		}
		for _, field := range []string{"title", "thumbnailImageUrl"} {
			if (column.text(field) != "") != (first.text(field) != "") {
				p.add(column.at(field), "must be in all columns or in none")
			}
		}
	}
}
