package linesim

import "encoding/json"

// Sizes of Flex containers in JSON (https://developers.line.biz/en/reference/messaging-api/#flex-message).
const (
	maxBubble   = 30 << 10
	maxCarousel = 50 << 10
)

// checkFlex judges container, sizes and the tree of components, not their style properties.
func checkFlex(contents value) {
	if !contents.require(textEmpty) || !contents.object() {
		return
	}
	size := 0
	if raw, err := json.Marshal(contents.v); err == nil {
		size = len(raw)
	}
	switch contents.get("type").oneOf("bubble", "carousel") {
	case "bubble":
		if size > maxBubble {
			contents.fail("The bubble is larger than 30 KB")
			return
		}
		checkBubble(contents)
	case "carousel":
		if size > maxCarousel {
			contents.fail("The carousel is larger than 50 KB")
			return
		}
		for _, bubble := range contents.get("contents").list(1, 12) {
			if bubble.get("type").oneOf("bubble") != "" {
				checkBubble(bubble)
			}
		}
	}
}

func checkBubble(bubble value) {
	for _, block := range [...]string{"header", "body", "footer"} {
		if box := bubble.get(block); box.object() && box.get("type").oneOf("box") != "" {
			checkComponent(box)
		}
	}
	if hero := bubble.get("hero"); hero.object() {
		checkComponent(hero)
	}
	if action := bubble.get("action"); action.present() {
		checkAction(action, inFlex)
	}
}

func checkComponent(component value) {
	if !component.object() {
		component.c.mistype(component.path)
		return
	}
	kind := component.get("type").oneOf("box", "button", "image", "video", "icon", "text", "span", "separator", "filler")
	switch kind {
	case "box":
		component.get("layout").oneOf("horizontal", "vertical", "baseline")
		for _, child := range component.get("contents").list(0, 1<<20) {
			checkComponent(child)
		}
	case "button":
		checkAction(component.get("action"), inFlexButton)
		return
	case "image", "icon":
		checkURL(component.get("url"))
	case "video":
		checkURL(component.get("url"))
		checkURL(component.get("previewUrl"))
	case "text":
		spans := component.get("contents").list(0, 1<<20)
		if len(spans) == 0 {
			component.get("text").text(1<<20, utf16Units)
		}
		for _, span := range spans {
			checkComponent(span)
		}
	case "span":
		component.get("text").text(1<<20, utf16Units)
	}
	if action := component.get("action"); action.present() {
		checkAction(action, inFlex)
	}
}
