package linesim

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
)

// maxMessages is the number of messages in one request.
const maxMessages = 5

var messageTypes = []string{
	"text", "textV2", "sticker", "image", "video", "audio", "location", "imagemap", "template", "flex", "coupon",
}

// quotable lists the types whose messages can be quoted
// (https://developers.line.biz/en/docs/messaging-api/get-quote-tokens/).
var quotable = map[string]bool{
	"text": true, "textV2": true, "sticker": true, "image": true, "video": true, "template": true, "flex": true,
}

// batchOfMessages is the messages property of a request that was found right.
type batchOfMessages struct {
	raw   []byte
	sum   [32]byte
	count uint8
	quote uint8 // bit i: message i can be quoted
}

// checkedMessages remembers messages that were found right, because a campaign sends the same ones many times.
type checkedMessages struct {
	mu   sync.RWMutex
	seen map[[32]byte]batchOfMessages
}

const maxChecked = 1024

// check judges a messages property.
func (m *checkedMessages) check(raw []byte) (batchOfMessages, answer, bool) {
	sum := [32]byte(digest(raw))
	m.mu.RLock()
	known, ok := m.seen[sum]
	m.mu.RUnlock()
	if ok {
		known.raw = raw
		return known, answer{}, true
	}
	c := &checker{}
	checked := batchOfMessages{raw: raw, sum: sum}
	list := c.decode("messages", raw)
	if list.require(textEmpty) {
		for i, message := range list.list(1, maxMessages) {
			checked.count++
			if quotable[checkMessage(message)] {
				checked.quote |= 1 << i
			}
		}
	}
	if refusal, refused := c.refusal(); refused {
		return checked, refusal, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= maxChecked {
		m.seen = map[[32]byte]batchOfMessages{}
	}
	m.seen[sum] = batchOfMessages{sum: sum, count: checked.count, quote: checked.quote}
	return checked, answer{}, true
}

// checkMessage applies the limits of https://developers.line.biz/en/reference/messaging-api/#message-objects and returns
// the message's type.
func checkMessage(m value) string {
	if !m.object() {
		m.c.mistype(m.path)
		return ""
	}
	kind := m.get("type").oneOf(messageTypes...)
	switch kind {
	case "text":
		text := m.get("text").text(5000, utf16Units)
		checkEmojis(m.get("emojis"), text)
	case "textV2":
		checkTextV2(m)
	case "sticker":
		m.get("packageId").text(1000, utf16Units)
		m.get("stickerId").text(1000, utf16Units)
	case "image":
		checkURL(m.get("originalContentUrl"))
		checkURL(m.get("previewImageUrl"))
	case "video":
		checkURL(m.get("originalContentUrl"))
		checkURL(m.get("previewImageUrl"))
		m.get("trackingId").optional(100, utf16Units)
		m.get("trackingId").pattern(trackingID)
	case "audio":
		checkURL(m.get("originalContentUrl"))
		m.get("duration").between(1, 1<<53)
	case "location":
		m.get("title").text(100, utf16Units)
		m.get("address").text(100, utf16Units)
		checkDegrees(m.get("latitude"), 90)
		checkDegrees(m.get("longitude"), 180)
	case "imagemap":
		checkImagemap(m)
	case "template":
		m.get("altText").text(1500, utf16Units)
		m.get("template").within(m, "template", checkTemplate)
	case "flex":
		m.get("altText").text(1500, utf16Units)
		m.get("contents").within(m, "", checkFlex)
	case "coupon":
		m.get("couponId").text(1000, utf16Units)
		m.get("deliveryTag").pattern(deliveryTag)
	}
	checkQuickReply(m.get("quickReply"))
	if sender := m.get("sender"); sender.object() {
		sender.get("name").optional(20, utf16Units)
		sender.get("iconUrl").link(2000, false, "https")
	}
	return kind
}

var (
	trackingID      = regexp.MustCompile(`^[a-zA-Z0-9\-.=,+*()%$&;:@{}!?<>\[\]]{1,100}$`)
	deliveryTag     = regexp.MustCompile(`^[a-zA-Z0-9_]{1,30}$`)
	substitutionKey = regexp.MustCompile(`^[0-9A-Za-z_]{1,20}$`)
	placeholder     = regexp.MustCompile(`\{([^{}]*)\}`)
)

func checkURL(v value) { v.link(2000, true, "https") }

func checkDegrees(v value, limit float64) {
	if !v.require(textEmpty) {
		return
	}
	if f, ok := v.number(); ok && (f < -limit || f > limit) {
		v.fail("Invalid coordinate")
	}
}

// checkEmojis wants a $ at every index, counted in UTF-16 units
// (https://developers.line.biz/en/reference/messaging-api/#text-message).
func checkEmojis(emojis value, text string) {
	if !emojis.present() {
		return
	}
	units := utf16.Encode([]rune(text))
	for _, emoji := range emojis.list(0, 20) {
		emoji.object()
		emoji.get("productId").text(1000, utf16Units)
		emoji.get("emojiId").text(1000, utf16Units)
		index := emoji.get("index")
		if !index.require(textEmpty) {
			continue
		}
		if i, ok := index.integer(); ok && (i < 0 || i >= int64(len(units)) || units[i] != '$') {
			index.fail("The emoji's index doesn't point at a $")
		}
	}
}

// checkTextV2 follows https://developers.line.biz/en/reference/messaging-api/#text-message-v2.
func checkTextV2(m value) {
	text := m.get("text").text(5000, utf16Units)
	bare := strings.NewReplacer("{{", "", "}}", "").Replace(text)
	substitution := m.get("substitution")
	substitution.object()
	entries, _ := substitution.v.(map[string]any)
	for _, match := range placeholder.FindAllStringSubmatch(bare, -1) {
		if _, ok := entries[match[1]]; !ok {
			m.get("text").fail("The placeholder has no substitution")
			break
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(bare, ""), "{}") {
		m.get("text").fail("The braces don't match")
	}
	if len(entries) > 100 {
		substitution.fail("Size must be between 0 and 100")
		return
	}
	mentions, emojis := 0, 0
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		entry := substitution.get(key)
		if !substitutionKey.MatchString(key) {
			substitution.fail("Must match the following pattern: " + substitutionKey.String())
		}
		if !entry.object() {
			entry.c.mistype(entry.path)
			continue
		}
		switch entry.get("type").oneOf("mention", "emoji") {
		case "mention":
			mentions++
			target := entry.get("mentionee")
			if target.require(textEmpty) && target.object() && target.get("type").oneOf("user", "all") == "user" {
				target.get("userId").text(33, utf16Units)
			}
		case "emoji":
			emojis++
			entry.get("productId").text(1000, utf16Units)
			entry.get("emojiId").text(1000, utf16Units)
		}
	}
	if mentions > 20 || emojis > 20 {
		substitution.fail("Size must be between 0 and 20")
	}
}

func checkQuickReply(quickReply value) {
	if !quickReply.object() {
		return
	}
	for _, item := range quickReply.get("items").list(1, 13) {
		item.object()
		item.get("imageUrl").link(2000, false, "https")
		checkAction(item.get("action"), inQuickReply)
	}
}

// checkImagemap follows https://developers.line.biz/en/reference/messaging-api/#imagemap-message.
func checkImagemap(m value) {
	checkURL(m.get("baseUrl"))
	m.get("altText").text(1500, utf16Units)
	if size := m.get("baseSize"); size.require(textEmpty) && size.object() {
		size.get("width").between(1040, 1040)
		size.get("height").between(1, 1<<31-1)
	}
	for _, action := range m.get("actions").list(0, 50) {
		action.object()
		checkArea(action.get("area"))
		action.get("label").optional(100, utf16Units)
		switch action.get("type").oneOf("uri", "message", "clipboard") {
		case "uri":
			action.get("linkUri").link(1000, true, linkSchemes...)
		case "message":
			action.get("text").text(400, utf16Units)
		case "clipboard":
			action.get("clipboardText").text(1000, utf16Units)
		}
	}
	if video := m.get("video"); video.object() {
		checkURL(video.get("originalContentUrl"))
		checkURL(video.get("previewImageUrl"))
		checkArea(video.get("area"))
		if external := video.get("externalLink"); external.object() {
			external.get("linkUri").link(1000, true, linkSchemes...)
			external.get("label").text(30, utf16Units)
		}
	}
}

func checkArea(area value) {
	if !area.require(textEmpty) || !area.object() {
		return
	}
	for _, side := range [...]string{"x", "y", "width", "height"} {
		area.get(side).between(0, 1<<31-1)
	}
}
