package linesim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	button  = `{"type":"message","label":"Yes","text":"yes"}`
	bubble  = `{"type":"bubble","body":{"type":"box","layout":"vertical","contents":[{"type":"text","text":"hi"}]}}`
	picture = `"originalContentUrl":"https://example.com/a.jpg","previewImageUrl":"https://example.com/b.jpg"`
)

func template(inner string) string {
	return `{"type":"template","altText":"t","template":` + inner + `}`
}

func buttons(n int) string {
	return `"actions":[` + strings.TrimSuffix(strings.Repeat(button+",", n), ",") + `]`
}

func flex(contents string) string { return `{"type":"flex","altText":"f","contents":` + contents + `}` }

func long(n int) string { return strings.Repeat("x", n) }

func TestMessagesThatPass(t *testing.T) {
	l := start(t, unlimited)
	for name, message := range map[string]string{
		"text":            `{"type":"text","text":"` + long(5000) + `"}`,
		"emoji":           `{"type":"text","text":"😀$","emojis":[{"index":2,"productId":"1","emojiId":"2"}]}`,
		"textV2":          `{"type":"textV2","text":"{{hi}} {who}","substitution":{"who":{"type":"emoji","productId":"1","emojiId":"2"}}}`,
		"sticker":         `{"type":"sticker","packageId":"1","stickerId":"2"}`,
		"image":           `{"type":"image",` + picture + `}`,
		"video":           `{"type":"video",` + picture + `,"trackingId":"a-b"}`,
		"audio":           `{"type":"audio","originalContentUrl":"https://example.com/a.m4a","duration":60000}`,
		"location":        `{"type":"location","title":"t","address":"a","latitude":35.6,"longitude":-139.7}`,
		"imagemap":        `{"type":"imagemap","baseUrl":"https://example.com/i","altText":"i","baseSize":{"width":1040,"height":700},"actions":[{"type":"uri","linkUri":"https://example.com","area":{"x":0,"y":0,"width":10,"height":10}}]}`,
		"buttons":         template(`{"type":"buttons","text":"` + long(160) + `",` + buttons(4) + `}`),
		"confirm":         template(`{"type":"confirm","text":"sure?",` + buttons(2) + `}`),
		"carousel":        template(`{"type":"carousel","columns":[{"text":"a",` + buttons(1) + `},{"text":"b",` + buttons(1) + `}]}`),
		"image carousel":  template(`{"type":"image_carousel","columns":[{"imageUrl":"https://example.com/a.jpg","action":{"type":"uri","uri":"tel:1"}}]}`),
		"bubble":          flex(bubble),
		"flex carousel":   flex(`{"type":"carousel","contents":[` + bubble + `]}`),
		"coupon":          `{"type":"coupon","couponId":"c","deliveryTag":"t_1"}`,
		"quick reply":     `{"type":"text","text":"a","quickReply":{"items":[{"type":"action","action":{"type":"camera","label":"Shoot"}}]}}`,
		"sender":          `{"type":"text","text":"a","sender":{"name":"Brown","iconUrl":"https://example.com/i.png"}}`,
		"null properties": `{"type":"text","text":"a","quickReply":null,"sender":null,"emojis":null,"quoteToken":null}`,
		"label graphemes": template(`{"type":"confirm","text":"a","actions":[` + button + `,{"type":"message","text":"x","label":"` + strings.Repeat("👨‍👩‍👧", 20) + `"}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			got := l.post(pushPath, `{"to":"`+user(1)+`","messages":[`+message+`]}`)
			assert.Equal(t, 200, got.Code, got.Body)
			assert.Equal(t, 200, l.post("/v2/bot/message/validate/push", `{"messages":[`+message+`]}`).Code)
		})
	}
}

func TestMessagesThatFail(t *testing.T) {
	l := start(t, unlimited)
	const types = "Must be one of the following values: [text, textV2, sticker, image, video, audio, location, imagemap, template, flex, coupon]"
	for name, c := range map[string]struct{ message, property, text string }{
		"empty text":      {`{"type":"text","text":""}`, "messages[0].text", "May not be empty"},
		"no text":         {`{"type":"text"}`, "messages[0].text", "May not be empty"},
		"long text":       {`{"type":"text","text":"` + long(5001) + `"}`, "messages[0].text", "Length must be between 0 and 5000"},
		"surrogate pairs": {`{"type":"text","text":"` + strings.Repeat("😀", 2501) + `"}`, "messages[0].text", "Length must be between 0 and 5000"},
		"unknown type":    {`{"type":"gif"}`, "messages[0].type", types},
		"no type":         {`{}`, "messages[0].type", types},
		"emoji without $": {`{"type":"text","text":"😀$","emojis":[{"index":1,"productId":"1","emojiId":"2"}]}`, "messages[0].emojis[0].index", "The emoji's index doesn't point at a $"},
		"textV2 braces":   {`{"type":"textV2","text":"{a"}`, "messages[0].text", "The braces don't match"},
		"http image":      {`{"type":"image","originalContentUrl":"http://example.com/a.jpg","previewImageUrl":"https://example.com/b.jpg"}`, "messages[0].originalContentUrl", "invalid uri scheme"},
		"no preview":      {`{"type":"image","originalContentUrl":"https://example.com/a.jpg"}`, "messages[0].previewImageUrl", "May not be empty"},
		"altText":         {`{"type":"flex","altText":"` + long(1501) + `","contents":` + bubble + `}`, "messages[0].altText", "Length must be between 0 and 1500"},
		"quick replies":   {`{"type":"text","text":"a","quickReply":{"items":[` + strings.TrimSuffix(strings.Repeat(`{"type":"action","action":`+button+`},`, 14), ",") + `]}}`, "messages[0].quickReply.items", "Size must be between 1 and 13"},
		"sender name":     {`{"type":"text","text":"a","sender":{"name":"` + long(21) + `"}}`, "messages[0].sender.name", "Length must be between 0 and 20"},
		"imagemap width":  {`{"type":"imagemap","baseUrl":"https://example.com/i","altText":"i","baseSize":{"width":1000,"height":700},"actions":[]}`, "messages[0].baseSize.width", "Must be between 1040 and 1040"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, got := range []response{
				l.post(pushPath, `{"to":"`+user(1)+`","messages":[`+c.message+`]}`),
				l.post("/v2/bot/message/validate/broadcast", `{"messages":[`+c.message+`]}`),
			} {
				assertRefused(t, 400, "The request body has 1 error(s)", got)
				assert.Equal(t, []any{map[string]any{"message": c.text, "property": c.property}}, got.object["details"])
			}
		})
	}

	for name, c := range map[string]struct{ message, property, text string }{
		"buttons text with title":  {template(`{"type":"buttons","title":"t","text":"` + long(61) + `",` + buttons(1) + `}`), "template/text", "size must be between 0 and 60"},
		"buttons text":             {template(`{"type":"buttons","text":"` + long(161) + `",` + buttons(1) + `}`), "template/text", "size must be between 0 and 160"},
		"five buttons":             {template(`{"type":"buttons","text":"a",` + buttons(5) + `}`), "template/actions", "size must be between 1 and 4"},
		"confirm with one":         {template(`{"type":"confirm","text":"a",` + buttons(1) + `}`), "template/actions", "size must be between 2 and 2"},
		"label":                    {template(`{"type":"confirm","text":"a","actions":[` + button + `,{"type":"message","text":"x","label":"` + long(21) + `"}]}`), "template/actions/1/label", "size must be between 0 and 20"},
		"uri":                      {template(`{"type":"buttons","text":"a","actions":[{"type":"uri","label":"l","uri":"ftp://a"}]}`), "template/actions/0/uri", "invalid uri scheme"},
		"carousel of 11":           {template(`{"type":"carousel","columns":[` + strings.TrimSuffix(strings.Repeat(`{"text":"a",`+buttons(1)+`},`, 11), ",") + `]}`), "template/columns", "size must be between 1 and 10"},
		"flex empty text":          {flex(strings.Replace(bubble, `"hi"`, `""`, 1)), "/body/contents/0/text", "must be non-empty text"},
		"flex image without a URL": {flex(`{"type":"bubble","hero":{"type":"image"}}`), "/hero/url", "must be specified"},
		"flex component":           {flex(strings.Replace(bubble, `"type":"text"`, `"type":"words"`, 1)), "/body/contents/0/type", "invalid property"},
		"13 bubbles":               {flex(`{"type":"carousel","contents":[` + strings.TrimSuffix(strings.Repeat(bubble+",", 13), ",") + `]}`), "/contents", "size must be between 1 and 12"},
		"flex too large":           {flex(strings.Replace(bubble, "hi", long(31<<10), 1)), "", "The bubble is larger than 30 KB"},
	} {
		t.Run(name, func(t *testing.T) {
			got := l.post(pushPath, `{"to":"`+user(1)+`","messages":[{"type":"text","text":"a"},`+c.message+`]}`)
			assertRefused(t, 400, "A message (messages[1])\u00a0in the request body is invalid", got)
			assert.Equal(t, []any{map[string]any{"message": c.text, "property": c.property}}, got.object["details"])
		})
	}
	assert.Zero(t, l.Ledger().Totals())
}

func TestNumberOfMessages(t *testing.T) {
	l := start(t, unlimited)
	one := strings.Trim(text("a"), "[]")
	for n, want := range map[int]int{0: 400, 1: 200, 5: 200, 6: 400} {
		list := make([]string, n)
		for i := range list {
			list[i] = one
		}
		got := l.post(pushPath, `{"to":"`+user(1)+`","messages":[`+strings.Join(list, ",")+`]}`)
		require.Equal(t, want, got.Code, n)
		if want == 400 {
			assert.JSONEq(t, `{"message":"The request body has 1 error(s)","details":[{"message":"Size must be between 1 and 5","property":"messages"}]}`, got.Body.String())
		}
	}
}

// Several errors are counted, and named in the order of the messages.
func TestErrorsAreCounted(t *testing.T) {
	l := start(t, unlimited)
	got := l.post(pushPath, `{"to":"`+user(1)+`","messages":[{"type":"text","text":""},{"type":"x"}]}`)
	assertRefused(t, 400, "The request body has 2 error(s)", got)
	var body struct {
		Details []struct{ Property string }
	}
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &body))
	assert.Equal(t, "messages[0].text", body.Details[0].Property)
	assert.Equal(t, "messages[1].type", body.Details[1].Property)
}
