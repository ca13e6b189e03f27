package lineapi_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
)

// TestLimitsAsTheSimulatorHasThem goes to both sides of each limit: what is checked before sending and what the
// simulated LINE checks were written apart from each other, from the same reference.
func TestLimitsAsTheSimulatorHasThem(t *testing.T) {
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	defer server.Close()
	client, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(linesim.DefaultChannel.Token), Origin: server.URL,
	})
	require.NoError(t, err)

	type object = map[string]any
	x := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int, o object) []object {
		list := make([]object, n)
		for i := range list {
			list[i] = o
		}
		return list
	}
	action := object{"type": "message", "label": "l", "text": "t"}
	text := func(s string) object { return object{"type": "text", "text": s} }
	quickReply := func(n int) object {
		return object{"type": "text", "text": "t", "quickReply": object{
			"items": many(n, object{"type": "action", "action": action}),
		}}
	}
	template := func(o object) object { return object{"type": "template", "altText": "a", "template": o} }
	with := func(o object, field string, v any) object { o[field] = v; return o }
	buttons := func(textLength, actions int) object {
		return object{"type": "buttons", "text": x(textLength), "actions": many(actions, action)}
	}
	column := func(textLength, actions int) object {
		return object{"text": x(textLength), "actions": many(actions, action)}
	}
	carousel := func(columns int, column object) object {
		return template(object{"type": "carousel", "columns": many(columns, column)})
	}
	confirm := func(textLength, actions int) object {
		return template(object{"type": "confirm", "text": x(textLength), "actions": many(actions, action)})
	}
	labelled := func(label string) object {
		return template(object{"type": "buttons", "text": "t", "actions": []object{
			{"type": "message", "label": label, "text": "t"},
		}})
	}
	bubble := object{"type": "bubble", "body": object{"type": "box", "layout": "vertical", "contents": []object{}}}
	flex := func(alt int, contents object) object {
		return object{"type": "flex", "altText": x(alt), "contents": contents}
	}
	bubbles := func(n int) object { return object{"type": "carousel", "contents": many(n, bubble)} }
	imagemap := func(alt, actions int) object {
		return object{
			"type": "imagemap", "altText": x(alt), "baseUrl": "https://example.com/a",
			"baseSize": object{"width": 1040, "height": 1040},
			"actions": many(actions, object{
				"type": "message", "text": "t", "area": object{"x": 0, "y": 0, "width": 1, "height": 1},
			}),
		}
	}
	image := func(urlLength int) object {
		const start = "https://example.com/"
		return object{
			"type": "image", "originalContentUrl": start + x(urlLength-len(start)), "previewImageUrl": start,
		}
	}
	location := func(n int) object {
		return object{"type": "location", "title": x(n), "address": "a", "latitude": 35.6, "longitude": 139.7}
	}

	for name, c := range map[string]struct{ within, beyond object }{
		"text":                        {text(x(5000)), text(x(5001))},
		"text in UTF-16 units":        {text(strings.Repeat("😀", 2500)), text(strings.Repeat("😀", 2501))},
		"text of none":                {text("x"), text("")},
		"flex altText":                {flex(1500, bubble), flex(1501, bubble)},
		"flex bubbles":                {flex(1, bubbles(12)), flex(1, bubbles(13))},
		"imagemap altText":            {imagemap(1500, 1), imagemap(1501, 1)},
		"imagemap actions":            {imagemap(1, 50), imagemap(1, 51)},
		"quick reply items":           {quickReply(13), quickReply(14)},
		"buttons text":                {template(buttons(160, 1)), template(buttons(161, 1))},
		"buttons text beside a title": {template(with(buttons(60, 1), "title", "t")), template(with(buttons(61, 1), "title", "t"))},
		"buttons text beside an image": {
			template(with(buttons(60, 1), "thumbnailImageUrl", "https://example.com/a")),
			template(with(buttons(61, 1), "thumbnailImageUrl", "https://example.com/a")),
		},
		"buttons title":                {template(with(buttons(1, 1), "title", x(40))), template(with(buttons(1, 1), "title", x(41)))},
		"buttons actions":              {template(buttons(1, 4)), template(buttons(1, 5))},
		"confirm text":                 {confirm(240, 2), confirm(241, 2)},
		"confirm of one action":        {confirm(1, 2), confirm(1, 1)},
		"confirm of three actions":     {confirm(1, 2), confirm(1, 3)},
		"carousel columns":             {carousel(10, column(1, 1)), carousel(11, column(1, 1))},
		"carousel text":                {carousel(1, column(120, 1)), carousel(1, column(121, 1))},
		"carousel text beside a title": {carousel(1, with(column(60, 1), "title", "t")), carousel(1, with(column(61, 1), "title", "t"))},
		"carousel actions":             {carousel(1, column(1, 3)), carousel(1, column(1, 4))},
		"label":                        {labelled(x(20)), labelled(x(21))},
		"label in graphemes":           {labelled(strings.Repeat("👨‍👩‍👧", 20)), labelled(strings.Repeat("👨‍👩‍👧", 21))},
		"label of none":                {labelled("l"), labelled("")},
		"url":                          {image(2000), image(2001)},
		"location title":               {location(100), location(101)},
		"sender name": {
			with(text("t"), "sender", object{"name": x(20)}), with(text("t"), "sender", object{"name": x(21)}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			for o, want := range map[*object]lineapi.Reason{&c.within: "", &c.beyond: lineapi.Invalid} {
				m, err := lineapi.MessageOf(*o)
				require.NoError(t, err)
				assert.Equal(t, want, lineapi.ReasonOf(lineapi.CheckMessages([]lineapi.Message{m})), "our check")
				assert.Equal(t, want, lineapi.ReasonOf(client.ValidatePush(t.Context(), []lineapi.Message{m})), "the simulator's")
			}
		})
	}
}
