package linesim

// place is where an action stands: it decides about labels and the types that are allowed
// (https://developers.line.biz/en/reference/messaging-api/#action-objects).
type place struct {
	label      int // longest
	labelled   bool
	quickReply bool
	richMenu   bool
}

var (
	inTemplate      = place{label: 20, labelled: true}
	asDefault       = place{label: 20} // of a template: it has no button to label
	inImageCarousel = place{label: 12}
	inQuickReply    = place{label: 20, labelled: true, quickReply: true}
	inRichMenu      = place{label: 20, richMenu: true}
	inFlexButton    = place{label: 40, labelled: true}
	inFlex          = place{label: 40}

	linkSchemes = []string{"http", "https", "line", "tel"}
)

func (p place) types() []string {
	types := []string{"postback", "message", "uri", "datetimepicker", "clipboard"}
	if p.richMenu {
		types = append(types, "richmenuswitch")
	}
	if p.quickReply {
		types = append(types, "camera", "cameraRoll", "location")
	}
	return types
}

func checkAction(action value, p place) {
	if !action.require(textEmpty) || !action.object() {
		return
	}
	if label := action.get("label"); p.labelled {
		label.text(p.label, graphemes)
	} else {
		label.optional(p.label, graphemes)
	}
	switch action.get("type").oneOf(p.types()...) {
	case "postback":
		action.get("data").text(300, utf16Units)
		action.get("displayText").optional(300, graphemes)
		action.get("text").optional(300, graphemes)
		action.get("fillInText").optional(300, graphemes)
		if action.get("displayText").present() && action.get("text").present() {
			action.get("text").fail("displayText and text can't be used together")
		}
		option := action.get("inputOption")
		if option.present() {
			option.oneOf("closeRichMenu", "openRichMenu", "openKeyboard", "openVoice")
		}
		if action.get("fillInText").present() && option.string() != "openKeyboard" {
			action.get("fillInText").fail("fillInText needs the inputOption openKeyboard")
		}
	case "message":
		action.get("text").text(300, graphemes)
	case "uri":
		action.get("uri").link(1000, true, linkSchemes...)
		if alternative := action.get("altUri"); alternative.object() {
			alternative.get("desktop").link(1000, false, linkSchemes...)
		}
	case "datetimepicker":
		action.get("data").text(300, utf16Units)
		action.get("mode").oneOf("date", "time", "datetime")
	case "clipboard":
		action.get("clipboardText").text(1000, utf16Units)
	case "richmenuswitch":
		action.get("richMenuAliasId").text(32, utf16Units)
		action.get("data").text(300, utf16Units)
	}
}
