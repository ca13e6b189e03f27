package lineapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

const family = "👨‍👩‍👧‍👦" // one grapheme cluster of 11 UTF-16 units

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// with is a JSON object of type t with further fields, which may replace or, when nil, remove.
func with(t string, fields ...any) map[string]any {
	m := map[string]any{"type": t}
	for i := 0; i < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	return m
}

func list(n int, v any) []any {
	l := make([]any, n)
	for i := range l {
		l[i] = v
	}
	return l
}

// TestCheckMessages has for each limit what is just inside it, and what is just outside with the path that is blamed.
func TestCheckMessages(t *testing.T) {
	act := with("message", "label", "l", "text", "t")
	https := "https://" + repeat("a", 2000-len("https://"))
	template := func(kind string, fields ...any) any {
		return with("template", "altText", "a", "template", with(kind, fields...))
	}
	flex := func(contents any) any { return with("flex", "altText", "a", "contents", contents) }
	label := func(s string) any { return list(1, with("message", "label", s, "text", "t")) }
	quick := func(n int, action any) any {
		return with("text", "text", "a", "quickReply", map[string]any{"items": list(n, with("action", "action", action))})
	}
	column := func(fields ...any) any {
		return with("", append([]any{"text", "t", "actions", list(1, act)}, fields...)...)
	}
	imagemap := func(fields ...any) any {
		return with("imagemap", append([]any{"baseUrl", "https://e", "altText", "a", "actions", []any{},
			"baseSize", map[string]int{"width": 1040, "height": 1}}, fields...)...)
	}

	const m = "messages[0]"
	for name, tt := range map[string]struct {
		message any
		blamed  string // a path, or empty for a message that passes
	}{
		"text of 5,000":                 {with("text", "text", repeat("a", 5000)), ""},
		"text of 5,001":                 {with("text", "text", repeat("a", 5001)), m + ".text"},
		"text of 2,500 pairs":           {with("text", "text", repeat("🧀", 2500)), ""},
		"text of 2,501 pairs":           {with("text", "text", repeat("🧀", 2501)), m + ".text"},
		"text of 5,000 Thai letters":    {with("text", "text", repeat("ก", 5000)), ""},
		"empty text":                    {with("text", "text", ""), m + ".text"},
		"no text":                       {with("text"), m + ".text"},
		"null text":                     {with("text", "text", nil), m + ".text"},
		"text that is a number":         {with("text", "text", 5), m + ".text"},
		"unknown fields":                {with("text", "text", "a", "future", with("x")), ""},
		"an unknown type":               {with("hologram", "text", 5), ""},
		"20 emojis":                     {with("text", "text", "a$", "emojis", list(20, map[string]any{"index": 1})), ""},
		"21 emojis":                     {with("text", "text", "a$", "emojis", list(21, map[string]any{"index": 1})), m + ".emojis"},
		"an emoji after a pair":         {with("text", "text", "🧀$", "emojis", list(1, map[string]any{"index": 2})), ""},
		"an emoji counted in runes":     {with("text", "text", "🧀$", "emojis", list(1, map[string]any{"index": 1})), m + ".emojis[0].index"},
		"an emoji past the end":         {with("text", "text", "$", "emojis", list(1, map[string]any{"index": 1})), m + ".emojis[0].index"},
		"an emoji without index":        {with("text", "text", "$", "emojis", list(1, map[string]any{})), m + ".emojis[0].index"},
		"100 substitutions":             {with("textV2", "text", "a", "substitution", substitution(100)), ""},
		"101 substitutions":             {with("textV2", "text", "a", "substitution", substitution(101)), m + ".substitution"},
		"textV2 of 5,001":               {with("textV2", "text", repeat("a", 5001)), m + ".text"},
		"sticker without package":       {with("sticker", "stickerId", "1"), m + ".packageId"},
		"sticker without id":            {with("sticker", "packageId", "1"), m + ".stickerId"},
		"image URL of 2,000":            {with("image", "originalContentUrl", https, "previewImageUrl", https), ""},
		"image URL of 2,001":            {with("image", "originalContentUrl", https+"a", "previewImageUrl", https), m + ".originalContentUrl"},
		"image over http":               {with("image", "originalContentUrl", "http://e", "previewImageUrl", https), m + ".originalContentUrl"},
		"image without preview":         {with("image", "originalContentUrl", https), m + ".previewImageUrl"},
		"video without preview":         {with("video", "originalContentUrl", https), m + ".previewImageUrl"},
		"tracking id of 101":            {with("video", "originalContentUrl", https, "previewImageUrl", https, "trackingId", repeat("a", 101)), m + ".trackingId"},
		"audio without duration":        {with("audio", "originalContentUrl", https), m + ".duration"},
		"audio with text as duration":   {with("audio", "originalContentUrl", https, "duration", "1"), m + ".duration"},
		"location title of 101":         {with("location", "title", repeat("a", 101), "address", "a", "latitude", 1, "longitude", 1), m + ".title"},
		"location address of 101":       {with("location", "title", "a", "address", repeat("a", 101), "latitude", 1, "longitude", 1), m + ".address"},
		"location without latitude":     {with("location", "title", "a", "address", "a", "longitude", 1), m + ".latitude"},
		"location without longitude":    {with("location", "title", "a", "address", "a", "latitude", 1), m + ".longitude"},
		"coupon without id":             {with("coupon"), m + ".couponId"},
		"alt text of 1,500":             {imagemap("altText", repeat("a", 1500)), ""},
		"alt text of 1,501":             {imagemap("altText", repeat("a", 1501)), m + ".altText"},
		"imagemap of another width":     {imagemap("baseSize", map[string]int{"width": 1000, "height": 1}), m + ".baseSize.width"},
		"imagemap without height":       {imagemap("baseSize", map[string]int{"width": 1040}), m + ".baseSize.height"},
		"51 areas":                      {imagemap("actions", list(51, with("clipboard", "area", with("")))), m + ".actions"},
		"area without area":             {imagemap("actions", list(1, with("message", "text", "t"))), m + ".actions[0].area"},
		"area text of 400":              {imagemap("actions", list(1, with("message", "text", repeat("a", 400), "area", with("")))), ""},
		"area text of 401":              {imagemap("actions", list(1, with("message", "text", repeat("a", 401), "area", with("")))), m + ".actions[0].text"},
		"template without alt text":     {with("template", "template", with("new")), m + ".altText"},
		"template of 1,501 alt text":    {with("template", "altText", repeat("a", 1501), "template", with("new")), m + ".altText"},
		"template without template":     {with("template", "altText", "a"), m + ".template"},
		"template without type":         {with("template", "altText", "a", "template", map[string]any{}), m + ".template.type"},
		"template of tomorrow":          {template("hologram"), ""},
		"buttons text of 160":           {template("buttons", "text", repeat("a", 160), "actions", list(4, act)), ""},
		"buttons text of 160 families":  {template("buttons", "text", repeat(family, 160), "actions", list(4, act)), ""},
		"buttons text of 161":           {template("buttons", "text", repeat("a", 161), "actions", list(4, act)), m + ".template.text"},
		"titled buttons text of 60":     {template("buttons", "title", "t", "text", repeat("a", 60), "actions", list(4, act)), ""},
		"titled buttons text of 61":     {template("buttons", "title", "t", "text", repeat("a", 61), "actions", list(4, act)), m + ".template.text"},
		"pictured buttons text of 61":   {template("buttons", "thumbnailImageUrl", "https://e", "text", repeat("a", 61), "actions", list(4, act)), m + ".template.text"},
		"buttons title of 41":           {template("buttons", "title", repeat("a", 41), "text", "t", "actions", list(4, act)), m + ".template.title"},
		"five buttons":                  {template("buttons", "text", "t", "actions", list(5, act)), m + ".template.actions"},
		"buttons without actions":       {template("buttons", "text", "t"), m + ".template.actions"},
		"label of 20 families":          {template("buttons", "text", "t", "actions", label(repeat(family, 20))), ""},
		"label of 21":                   {template("buttons", "text", "t", "actions", label(repeat("a", 21))), m + ".template.actions[0].label"},
		"no label":                      {template("buttons", "text", "t", "actions", label("")), m + ".template.actions[0].label"},
		"default action, no label":      {template("buttons", "text", "t", "actions", list(1, act), "defaultAction", with("uri", "uri", "https://e")), ""},
		"default action, no uri":        {template("buttons", "text", "t", "actions", list(1, act), "defaultAction", with("uri")), m + ".template.defaultAction.uri"},
		"confirm text of 240":           {template("confirm", "text", repeat("a", 240), "actions", list(2, act)), ""},
		"confirm text of 241":           {template("confirm", "text", repeat("a", 241), "actions", list(2, act)), m + ".template.text"},
		"confirm with one action":       {template("confirm", "text", "t", "actions", list(1, act)), m + ".template.actions"},
		"ten columns":                   {template("carousel", "columns", list(10, column())), ""},
		"eleven columns":                {template("carousel", "columns", list(11, column())), m + ".template.columns"},
		"column text of 121":            {template("carousel", "columns", list(1, column("text", repeat("a", 121)))), m + ".template.columns[0].text"},
		"titled column text of 61":      {template("carousel", "columns", list(1, column("title", "t", "text", repeat("a", 61)))), m + ".template.columns[0].text"},
		"four actions in a column":      {template("carousel", "columns", list(1, column("actions", list(4, act)))), m + ".template.columns[0].actions"},
		"unequal columns":               {template("carousel", "columns", []any{column(), column("actions", list(2, act))}), m + ".template.columns[1].actions"},
		"a title in one column":         {template("carousel", "columns", []any{column("title", "t"), column()}), m + ".template.columns[1].title"},
		"an image in one column":        {template("carousel", "columns", []any{column(), column("thumbnailImageUrl", "https://e")}), m + ".template.columns[1].thumbnailImageUrl"},
		"image label of 12":             {template("image_carousel", "columns", list(10, map[string]any{"imageUrl": "https://e", "action": with("message", "label", repeat("a", 12), "text", "t")})), ""},
		"image label of 13":             {template("image_carousel", "columns", list(1, map[string]any{"imageUrl": "https://e", "action": with("message", "label", repeat("a", 13), "text", "t")})), m + ".template.columns[0].action.label"},
		"image column, no image":        {template("image_carousel", "columns", list(1, map[string]any{"action": act})), m + ".template.columns[0].imageUrl"},
		"flex without contents":         {with("flex", "altText", "a"), m + ".contents"},
		"flex without alt text":         {with("flex", "contents", with("bubble")), m + ".altText"},
		"bubble of 30 KB":               {flex(with("bubble", "x", repeat("a", 30<<10-len(`{"type":"bubble","x":""}`)))), ""},
		"bubble of more":                {flex(with("bubble", "x", repeat("a", 30<<10+1-len(`{"type":"bubble","x":""}`)))), m + ".contents"},
		"carousel of 50 KB":             {flex(with("carousel", "contents", []any{}, "x", repeat("a", 50<<10-len(`{"contents":[],"type":"carousel","x":""}`)))), ""},
		"carousel of more":              {flex(with("carousel", "contents", []any{}, "x", repeat("a", 50<<10+1-len(`{"contents":[],"type":"carousel","x":""}`)))), m + ".contents"},
		"12 bubbles":                    {flex(with("carousel", "contents", list(12, with("bubble")))), ""},
		"13 bubbles":                    {flex(with("carousel", "contents", list(13, with("bubble")))), m + ".contents.contents"},
		"13 quick replies":              {quick(13, act), ""},
		"14 quick replies":              {quick(14, act), m + ".quickReply.items"},
		"quick reply, no label":         {quick(1, with("camera")), m + ".quickReply.items[0].action.label"},
		"quick reply, label of 21":      {quick(1, with("camera", "label", repeat("a", 21))), m + ".quickReply.items[0].action.label"},
		"quick reply, no action":        {quick(1, nil), m + ".quickReply.items[0].action"},
		"quick reply of tomorrow":       {quick(1, with("hologram")), ""},
		"sender of 20":                  {with("text", "text", "a", "sender", map[string]any{"name": repeat("a", 20)}), ""},
		"sender of 21":                  {with("text", "text", "a", "sender", map[string]any{"name": repeat("a", 21)}), m + ".sender.name"},
		"sender's icon over http":       {with("text", "text", "a", "sender", map[string]any{"iconUrl": "http://e"}), m + ".sender.iconUrl"},
		"postback data of 301":          {quick(1, with("postback", "label", "l", "data", repeat("a", 301))), m + ".quickReply.items[0].action.data"},
		"postback text of 300 families": {quick(1, with("postback", "label", "l", "data", "d", "displayText", repeat(family, 300))), ""},
		"postback displayText of 301":   {quick(1, with("postback", "label", "l", "data", "d", "displayText", repeat("a", 301))), m + ".quickReply.items[0].action.displayText"},
		"postback fillInText of 301":    {quick(1, with("postback", "label", "l", "data", "d", "fillInText", repeat("a", 301))), m + ".quickReply.items[0].action.fillInText"},
		"message action text of 301":    {quick(1, with("message", "label", "l", "text", repeat("a", 301))), m + ".quickReply.items[0].action.text"},
		"uri of 1,001":                  {quick(1, with("uri", "label", "l", "uri", "https:"+repeat("a", 995))), m + ".quickReply.items[0].action.uri"},
		"uri with another scheme":       {quick(1, with("uri", "label", "l", "uri", "ftp://e")), m + ".quickReply.items[0].action.uri"},
		"uri to LINE":                   {quick(1, with("uri", "label", "l", "uri", "LINE://x")), ""},
		"picker without mode":           {quick(1, with("datetimepicker", "label", "l", "data", "d")), m + ".quickReply.items[0].action.mode"},
		"clipboard of 1,001":            {quick(1, with("clipboard", "label", "l", "clipboardText", repeat("a", 1001))), m + ".quickReply.items[0].action.clipboardText"},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(tt.message)
			require.NoError(t, err)
			message, err := lineapi.MessageOf(raw)
			require.NoError(t, err)
			err = lineapi.CheckMessages([]lineapi.Message{message})
			if tt.blamed == "" {
				require.NoError(t, err)
				return
			}
			e := asError(t, err)
			assert.Equal(t, lineapi.Invalid, e.Reason)
			assert.True(t, e.Unsent)
			require.Len(t, e.Details, 1, "%v", e)
			assert.Equal(t, tt.blamed, e.Details[0].Property)
		})
	}

	t.Run("no message", func(t *testing.T) {
		e := asError(t, lineapi.CheckMessages(nil))
		assert.Equal(t, []lineapi.Detail{{Message: "Size must be between 1 and 5", Property: "messages"}}, e.Details)
	})
	t.Run("six messages", func(t *testing.T) {
		e := asError(t, lineapi.CheckMessages(texts("1", "2", "3", "4", "5", "6")))
		assert.Equal(t, []lineapi.Detail{{Message: "Size must be between 1 and 5", Property: "messages"}}, e.Details)
	})
	t.Run("every problem is named", func(t *testing.T) {
		e := asError(t, lineapi.CheckMessages(append(texts("", "ok"), lineapi.Image("", ""))))
		assert.Equal(t, []lineapi.Detail{
			{Message: "May not be empty", Property: "messages[0].text"},
			{Message: "May not be empty", Property: "messages[2].originalContentUrl"},
			{Message: "May not be empty", Property: "messages[2].previewImageUrl"},
		}, e.Details)
		assert.EqualError(t, e, "refused before sending: messages[0].text May not be empty; "+
			"messages[2].originalContentUrl May not be empty; messages[2].previewImageUrl May not be empty")
	})
}

func substitution(n int) map[string]any {
	m := make(map[string]any)
	for i := range n {
		m[repeat("k", i+1)] = with("emoji")
	}
	return m
}

func TestRichMenuCheck(t *testing.T) {
	menu := func(fields ...any) map[string]any {
		m := with("", append([]any{"size", map[string]any{"width": 2500, "height": 843}, "selected", true, "name", "n",
			"chatBarText", "c", "areas", []any{}}, fields...)...)
		delete(m, "type")
		return m
	}
	size := func(width, height int) map[string]any { return map[string]any{"width": width, "height": height} }
	area := func(action any) []any { return list(1, map[string]any{"bounds": size(1, 1), "action": action}) }
	for name, tt := range map[string]struct {
		menu   map[string]any
		blamed string
	}{
		"the smallest":            {menu("size", size(800, 250)), ""},
		"the largest":             {menu("size", size(2500, 1724)), ""},
		"too narrow":              {menu("size", size(799, 250)), "size.width"},
		"too wide":                {menu("size", size(2501, 843)), "size.width"},
		"too low":                 {menu("size", size(800, 249)), "size.height"},
		"too high for its width":  {menu("size", size(2500, 1725)), "size"},
		"no size":                 {menu("size", nil), "size"},
		"selected missing":        {menu("selected", nil), "selected"},
		"selected as text":        {menu("selected", "true"), "selected"},
		"name of 300 families":    {menu("name", repeat(family, 300)), ""},
		"name of 301":             {menu("name", repeat("a", 301)), "name"},
		"no name":                 {menu("name", nil), "name"},
		"chat bar of 14 families": {menu("chatBarText", repeat(family, 14)), ""},
		"chat bar of 15":          {menu("chatBarText", repeat("a", 15)), "chatBarText"},
		"no areas":                {menu("areas", nil), "areas"},
		"21 areas":                {menu("areas", list(21, map[string]any{})), "areas"},
		"area without bounds":     {menu("areas", list(1, map[string]any{"action": with("camera")})), "areas[0].bounds"},
		"action without label":    {menu("areas", area(with("message", "text", "t"))), ""},
		"switch to a long alias":  {menu("areas", area(with("richmenuswitch", "data", "d", "richMenuAliasId", repeat("a", 33)))), "areas[0].action.richMenuAliasId"},
		"unknown fields":          {menu("future", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(tt.menu)
			require.NoError(t, err)
			parsed, err := lineapi.ParseRichMenu(raw)
			require.NoError(t, err)
			err = parsed.Check()
			if tt.blamed == "" {
				require.NoError(t, err)
				return
			}
			e := asError(t, err)
			require.Len(t, e.Details, 1, "%v", e)
			assert.Equal(t, tt.blamed, e.Details[0].Property)
		})
	}
	for name, file := range map[string]string{"nothing": "", "an array": "[]", "null": "null", "two values": "{}{}"} {
		t.Run(name+" is not a rich menu", func(t *testing.T) {
			_, err := lineapi.ParseRichMenu([]byte(file))
			assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
		})
	}
	t.Run("the zero value", func(t *testing.T) {
		assert.ErrorContains(t, lineapi.RichMenu{}.Check(), "the rich menu is empty")
		assert.Empty(t, lineapi.RichMenu{}.ID())
	})
}
