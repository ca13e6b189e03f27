package lineapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// CheckMessages checks what LINE would refuse in one to five messages: their number, their types, required fields,
// lengths. The limits are those of https://developers.line.biz/en/reference/messaging-api/#message-objects. Its *[Error]
// has reason [Invalid], and a detail for each problem with its JSON path, such as messages[0].text. Types and fields that
// this package doesn't know pass. What only LINE can know, such as whether a sticker exists, its validate endpoints tell.
func CheckMessages(messages []Message) error {
	var p problems
	p.messages(messages)
	return p.err()
}

func (p *problems) messages(messages []Message) {
	if len(messages) < 1 || len(messages) > MaxMessages {
		p.add("messages", fmt.Sprintf("Size must be between 1 and %d", MaxMessages))
		return
	}
	for i, m := range messages {
		path := fmt.Sprintf("messages[%d]", i)
		fields, problem := decodeTyped(m.raw)
		if problem != "" {
			p.add(path, problem)
			continue
		}
		n := node{path, fields}
		if check := messageChecks[n.text("type")]; check != nil {
			check(p, n, m.raw)
		}
		p.quickReply(n)
		if n.has("sender") {
			if sender, ok := p.object(n, "sender"); ok {
				p.optional(sender, "name", 20, utf16Units)
				p.url(sender, "iconUrl", false)
			}
		}
	}
}

// messageChecks holds what each type wants beyond its type.
var messageChecks = map[string]func(p *problems, n node, raw []byte){
	"text": func(p *problems, n node, _ []byte) {
		p.required(n, "text", 5000, utf16Units)
		p.emojis(n)
	},
	"textV2": func(p *problems, n node, _ []byte) {
		p.required(n, "text", 5000, utf16Units)
		if n.has("substitution") {
			if substitution, ok := p.object(n, "substitution"); ok && len(substitution.fields) > 100 {
				p.add(substitution.path, "Size must be between 0 and 100")
			}
		}
	},
	"sticker": func(p *problems, n node, _ []byte) {
		p.required(n, "packageId", 0, nil)
		p.required(n, "stickerId", 0, nil)
	},
	"image": func(p *problems, n node, _ []byte) {
		p.url(n, "originalContentUrl", true)
		p.url(n, "previewImageUrl", true)
	},
	"video": func(p *problems, n node, _ []byte) {
		p.url(n, "originalContentUrl", true)
		p.url(n, "previewImageUrl", true)
		p.optional(n, "trackingId", 100, utf16Units)
	},
	"audio": func(p *problems, n node, _ []byte) {
		p.url(n, "originalContentUrl", true)
		p.requiredNumber(n, "duration")
	},
	"location": func(p *problems, n node, _ []byte) {
		p.required(n, "title", 100, utf16Units)
		p.required(n, "address", 100, utf16Units)
		p.requiredNumber(n, "latitude")
		p.requiredNumber(n, "longitude")
	},
	"coupon": func(p *problems, n node, _ []byte) {
		p.required(n, "couponId", 0, nil)
		p.optional(n, "deliveryTag", 30, utf16Units)
	},
	"imagemap": func(p *problems, n node, _ []byte) { p.imagemap(n) },
	"template": func(p *problems, n node, _ []byte) {
		p.altText(n)
		if template, ok := p.object(n, "template"); ok {
			p.template(template)
		}
	},
	"flex": func(p *problems, n node, raw []byte) {
		p.altText(n)
		if contents, ok := p.object(n, "contents"); ok {
			p.flex(contents, raw)
		}
	},
}

func (p *problems) altText(n node) { p.required(n, "altText", 1500, utf16Units) }

// emojis wants at most 20 LINE emojis, each at the place of a $ that is counted in UTF-16 units.
func (p *problems) emojis(n node) {
	if !n.has("emojis") {
		return
	}
	text := utf16.Encode([]rune(n.text("text")))
	for _, emoji := range p.objects(n, "emojis", 20) {
		index, ok := emoji.number("index")
		if !ok {
			p.requiredNumber(emoji, "index")
		} else if i := int(index); i < 0 || i >= len(text) || text[i] != '$' {
			p.add(emoji.at("index"), "must be the place of a $ in the text, in UTF-16 units")
		}
	}
}

// A Flex Message's JSON is limited by its size (https://developers.line.biz/en/reference/messaging-api/#flex-message).
// LINE doesn't say what it counts as a KB; 1,024 bytes refuse nothing that it may accept.
const (
	maxBubbleBytes   = 30 << 10
	maxCarouselBytes = 50 << 10
	maxBubbles       = 12
)

func (p *problems) flex(contents node, raw []byte) {
	p.required(contents, "type", 0, nil)
	var m map[string]json.RawMessage // not a struct, whose fields match in any case
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	limit := maxBubbleBytes
	if contents.text("type") == "carousel" {
		limit = maxCarouselBytes
		p.objects(contents, "contents", maxBubbles)
	}
	if size := compactSize(m["contents"]); size > limit {
		p.add(contents.path, fmt.Sprintf("is %d bytes of JSON, a %s has at most %d", size, contents.text("type"), limit))
	}
}

func (p *problems) imagemap(n node) {
	p.url(n, "baseUrl", true)
	p.altText(n)
	if size, ok := p.object(n, "baseSize"); ok {
		if width, _ := size.number("width"); width != 1040 {
			p.add(size.at("width"), "must be 1040")
		}
		if height, _ := size.number("height"); height <= 0 {
			p.add(size.at("height"), "must be a positive number")
		}
	}
	for _, action := range p.objects(n, "actions", 50) {
		p.required(action, "type", 0, nil)
		p.optional(action, "label", 100, utf16Units)
		switch action.text("type") {
		case "uri":
			p.link(action, "linkUri")
		case "message":
			p.required(action, "text", 400, utf16Units)
		case "clipboard":
			p.required(action, "clipboardText", 1000, utf16Units)
		}
		p.object(action, "area")
	}
}

func (p *problems) quickReply(n node) {
	if !n.has("quickReply") {
		return
	}
	quickReply, ok := p.object(n, "quickReply")
	if !ok {
		return
	}
	for _, item := range p.objects(quickReply, "items", 13) {
		p.required(item, "type", 0, nil)
		p.url(item, "imageUrl", false)
		if item.text("type") != "action" {
			continue
		}
		if action, ok := p.object(item, "action"); ok {
			p.action(action, label{max: 20, required: true})
		}
	}
}

// contentOf gives the strings of messages that an error must not repeat: all but the types, and what can't be told from
// LINE's own words, such as "vertical".
func contentOf(messages []Message) []string {
	var found []string
	var collect func(key string, v any)
	collect = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if key != "type" && len(strings.TrimSpace(v)) >= 6 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") != "" {
				found = append(found, v)
			}
		case []any:
			for _, element := range v {
				collect(key, element)
			}
		case map[string]any:
			for key, element := range v {
				collect(key, element)
			}
		}
	}
	for _, m := range messages {
		fields, _ := decodeTyped(m.raw)
		collect("", fields)
	}
	return found
}
