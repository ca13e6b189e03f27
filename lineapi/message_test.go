package lineapi_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

var update = flag.Bool("update", false, "write the golden files of testdata/messages anew")

// builders has one message of each builder, by the name of its golden file.
var builders = map[string]lineapi.Message{
	"text":           lineapi.Text("Tom & Jerry <3 \"cheese\"\n🧀"),
	"image":          lineapi.Image("https://example.com/o.jpg", "https://example.com/p.jpg"),
	"image_alone":    lineapi.Image("https://example.com/o.jpg", ""),
	"video":          lineapi.Video("https://example.com/v.mp4?a=1&b=2", "https://example.com/p.jpg"),
	"audio":          lineapi.Audio("https://example.com/a.m4a", 61500*time.Millisecond),
	"location":       lineapi.Location("LY", "1-3 Kioicho, Tokyo", 35.67966, -139.73669),
	"sticker":        lineapi.Sticker("446", "1988"),
	"flex":           lineapi.Flex("a flex", json.RawMessage(`{ "type":"bubble", "body":{"type":"box","layout":"vertical","contents":[]} }`)),
	"template":       lineapi.Template("a template", json.RawMessage(`{"type":"confirm","text":"?","actions":[{"type":"message","label":"y","text":"y"},{"type":"message","label":"n","text":"n"}]}`)),
	"confirm":        lineapi.Confirm("sure?", "Are you sure?", lineapi.MessageAction("Yes", "yes"), lineapi.PostbackAction("No", "a=no", "No, thanks")),
	"image_carousel": lineapi.ImageCarousel("pictures", lineapi.ImageColumn{ImageURL: "https://example.com/1.jpg", Action: lineapi.URIAction("", "https://example.com")}),
	"imagemap": lineapi.Imagemap("a map", lineapi.ImagemapOptions{
		BaseURL: "https://example.com/map", Height: 585,
		Video:   json.RawMessage(`{"originalContentUrl":"https://example.com/v.mp4"}`),
		Actions: []lineapi.Action{action(map[string]any{"type": "uri", "linkUri": "https://example.com", "area": map[string]int{"x": 0, "y": 0, "width": 520, "height": 585}})},
	}),
	"buttons": lineapi.Buttons("menu", lineapi.ButtonsOptions{
		Text: "Please select", Title: "Menu", ThumbnailImageURL: "https://example.com/t.jpg", ImageAspectRatio: "square",
		ImageSize: "contain", ImageBackgroundColor: "#FFFFFF", DefaultAction: lineapi.URIAction("View", "https://example.com/1"),
		Actions: []lineapi.Action{lineapi.PostbackAction("Buy", "action=buy", ""), lineapi.URIAction("Call", "tel:0312345678")},
	}),
	"carousel": lineapi.Carousel("menus", lineapi.CarouselOptions{
		Columns: []lineapi.Column{
			{Text: "one", Title: "1", ThumbnailImageURL: "https://example.com/1.jpg", ImageBackgroundColor: "#000000",
				DefaultAction: lineapi.URIAction("", "https://example.com/1"), Actions: []lineapi.Action{lineapi.MessageAction("a", "a")}},
			{Text: "two", Title: "2", ThumbnailImageURL: "https://example.com/2.jpg", Actions: []lineapi.Action{lineapi.MessageAction("b", "b")}},
		},
		ImageAspectRatio: "rectangle", ImageSize: "cover",
	}),
}

func action(v any) lineapi.Action {
	a, err := lineapi.ActionOf(v)
	if err != nil {
		panic(err)
	}
	return a
}

func TestBuilders(t *testing.T) {
	for name, message := range builders {
		t.Run(name, func(t *testing.T) {
			got, err := message.MarshalJSON()
			require.NoError(t, err)
			file := filepath.Join("testdata", "messages", name+".json")
			if *update {
				require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got)+"\n")
			assert.NoError(t, lineapi.CheckMessages([]lineapi.Message{message}))
		})
	}
}

func TestBuildersRefuseBrokenParts(t *testing.T) {
	for name, tt := range map[string]struct {
		message lineapi.Message
		want    lineapi.Detail
	}{
		"flex that isn't JSON": {
			lineapi.Flex("a", json.RawMessage(`{},"to":"x`)),
			lineapi.Detail{Property: "messages[0]", Message: "is not JSON: line 1, column 3: invalid character ',' after top-level value"},
		},
		"flex that would add a field": {
			lineapi.Flex("a", json.RawMessage(`{"type":"bubble"},"x":1`)),
			lineapi.Detail{Property: "messages[0]", Message: "is not JSON: line 1, column 18: invalid character ',' after top-level value"},
		},
		"no flex": {
			lineapi.Flex("a", nil), lineapi.Detail{Property: "messages[0].contents", Message: "must be specified"},
		},
		"video that isn't JSON": {
			lineapi.Imagemap("a", lineapi.ImagemapOptions{Video: json.RawMessage("{")}),
			lineapi.Detail{Property: "messages[0]", Message: "is not JSON: line 1, column 1: unexpected end of JSON input"},
		},
		"no action": {
			lineapi.ImageCarousel("a", lineapi.ImageColumn{ImageURL: "https://example.com"}),
			lineapi.Detail{Property: "messages[0].template.columns[0].action", Message: "must be specified"},
		},
		"no latitude": {
			lineapi.Location("a", "b", math.NaN(), 1),
			lineapi.Detail{Property: "messages[0].latitude", Message: "must be specified"},
		},
		"the zero message": {lineapi.Message{}, lineapi.Detail{Property: "messages[0]", Message: "is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := asError(t, lineapi.CheckMessages([]lineapi.Message{tt.message}))
			assert.Equal(t, []lineapi.Detail{tt.want}, e.Details)
		})
	}
}

func TestMessageOf(t *testing.T) {
	custom := func(extra string) string { return ` {"type":"custom", "n":12345678901234567890` + extra + `} ` }
	for name, tt := range map[string]struct {
		give any
		want string // JSON, or else an error's text
		err  string
	}{
		"bytes":     {give: []byte(custom("")), want: strings.TrimSpace(custom(""))},
		"raw JSON":  {give: json.RawMessage(custom(`,"x":"<&>"`)), want: strings.TrimSpace(custom(`,"x":"<&>"`))},
		"a message": {give: lineapi.Text("a"), want: `{"type":"text","text":"a"}`},
		"a map":     {give: map[string]any{"type": "text", "text": "<&>"}, want: `{"text":"<&>","type":"text"}`},
		"a struct": {give: struct {
			Type string `json:"type"`
		}{"t"}, want: `{"type":"t"}`},
		"SDK pointer":       {give: &messaging_api.TextMessage{Text: "a"}, want: `{"text":"a","type":"text"}`},
		"SDK text v2":       {give: &messaging_api.TextMessageV2{Text: "a"}, want: `{"text":"a","type":"textV2"}`},
		"SDK sticker":       {give: &messaging_api.StickerMessage{PackageId: "1", StickerId: "2"}, want: `{"packageId":"1","stickerId":"2","type":"sticker"}`},
		"SDK value":         {give: messaging_api.TextMessage{Text: "a"}, err: "the message has a type that is empty or not a string: give a pointer, *messaging_api.TextMessage writes its own JSON and messaging_api.TextMessage doesn't"},
		"SDK sticker value": {give: messaging_api.StickerMessage{}, err: "give a pointer, *messaging_api.StickerMessage"},
		"a string":          {give: "hello", err: "a string is not a message object: Text makes one of it"},
		"nil":               {give: nil, err: "the message is not a JSON object"},
		"nothing":           {give: []byte{}, err: "the message is empty"},
		"an array":          {give: []int{1}, err: "the message is not a JSON object"},
		"no type":           {give: map[string]any{"text": "a"}, err: "the message has no type"},
		"an empty type":     {give: []byte(`{"type":""}`), err: "the message has a type that is empty or not a string"},
		"a type of null":    {give: []byte(`{"type":null}`), err: "the message has a type that is empty or not a string"},
		"a number as type":  {give: []byte(`{"type":1}`), err: "the message has a type that is empty or not a string"},
		"another case":      {give: []byte(`{"Type":"text"}`), err: "the message has no type"},
		"bad UTF-8":         {give: []byte("{\"type\":\"\xff\"}"), err: "the message is not valid UTF-8"},
		"bad JSON":          {give: []byte("{\n \"type\":}"), err: "the message is not JSON: line 2, column 9: invalid character '}' looking for beginning of value"},
		"two values":        {give: []byte(`{"type":"a"}{}`), err: "the message is not JSON: line 1, column 13"},
		"a channel":         {give: make(chan int), err: "the message can't be written as JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := lineapi.MessageOf(tt.give)
			if tt.err != "" {
				e := asError(t, err)
				assert.ErrorContains(t, err, tt.err)
				assert.Equal(t, lineapi.Invalid, e.Reason)
				assert.True(t, e.Unsent)
				return
			}
			require.NoError(t, err)
			got, err := m.MarshalJSON()
			require.NoError(t, err)
			if _, isBytes := tt.give.([]byte); isBytes {
				assert.Equal(t, tt.want, string(got), "byte for byte")
			}
			assert.JSONEq(t, tt.want, string(got))
		})
	}

	t.Run("keeps no reference to the caller's bytes", func(t *testing.T) {
		raw := []byte(hello)
		m, err := lineapi.MessageOf(raw)
		require.NoError(t, err)
		copy(raw, "XXXX")
		got, _ := m.MarshalJSON()
		assert.Equal(t, hello, string(got))
	})
}

func TestMessageJSON(t *testing.T) {
	t.Run("inside a struct", func(t *testing.T) {
		var v struct{ Messages []lineapi.Message }
		require.NoError(t, json.Unmarshal([]byte(`{"Messages":[{"type":"a","x":1.50}]}`), &v))
		assert.Equal(t, "a", v.Messages[0].Type())
		out, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, `{"Messages":[{"type":"a","x":1.50}]}`, string(out))
	})
	t.Run("the zero value is no JSON", func(t *testing.T) {
		_, err := json.Marshal(lineapi.Message{})
		assert.Error(t, err)
		_, err = json.Marshal(lineapi.RichMenu{})
		assert.Error(t, err)
		assert.Empty(t, lineapi.Message{}.Type())
	})
	t.Run("null is not a message", func(t *testing.T) {
		var m lineapi.Message
		assert.Error(t, json.Unmarshal([]byte("null"), &m))
	})
	t.Run("an action", func(t *testing.T) {
		var a lineapi.Action
		require.NoError(t, json.Unmarshal([]byte(`{"type":"camera"}`), &a))
		out, err := json.Marshal([]lineapi.Action{a, {}})
		require.NoError(t, err)
		assert.Equal(t, `[{"type":"camera"},null]`, string(out))
	})
}

func TestParseMessages(t *testing.T) {
	for name, tt := range map[string]struct {
		file string
		want []string // types
		err  string
	}{
		"one object":        {file: " {\"type\":\"a\"}\n", want: []string{"a"}},
		"an array":          {file: `[{"type":"a"}, {"type":"b"}]`, want: []string{"a", "b"}},
		"five":              {file: `[` + strings.Repeat(`{"type":"a"},`, 4) + `{"type":"e"}]`, want: []string{"a", "a", "a", "a", "e"}},
		"a byte order mark": {file: "\uFEFF{\"type\":\"a\"}", want: []string{"a"}},
		"placeholders":      {file: `{"type":"image","originalContentUrl":"{{url}}"}`, want: []string{"image"}},
		"none":              {file: `[]`, err: "messages Size must be between 1 and 5"},
		"six":               {file: `[` + strings.Repeat(`{"type":"a"},`, 5) + `{"type":"a"}]`, err: "messages Size must be between 1 and 5"},
		"nothing":           {file: "", err: "the file is not JSON: line 1, column 1"},
		"a syntax error":    {file: "[\n  {\"type\":\"ü\" x}]", err: "the file is not JSON: line 2, column 15: invalid character 'x'"},
		"trailing data":     {file: "{\"type\":\"a\"}\n{\"type\":\"b\"}", err: "the file is not JSON: line 2, column 1: invalid character '{' after top-level value"},
		"a string":          {file: `"a"`, err: "the message is not a JSON object"},
		"no type":           {file: `{}`, err: "the message has no type"},
		"no type, second":   {file: `[{"type":"a"},{"type":2}]`, err: "messages[1] has a type that is empty or not a string"},
		"not an object":     {file: `[null]`, err: "messages[0] is not a JSON object"},
		"bad UTF-8":         {file: "{\"type\":\"\xff\"}", err: "the file is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			messages, err := lineapi.ParseMessages([]byte(tt.file))
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
				return
			}
			require.NoError(t, err)
			var types []string
			for _, m := range messages {
				types = append(types, m.Type())
			}
			assert.Equal(t, tt.want, types)
		})
	}
}

func FuzzParseMessages(f *testing.F) {
	for _, seed := range []string{``, `{}`, hello, `[` + hello + `]`, `[{"type":1}]`, "\uFEFF[", `{"type":"text","text":5,"emojis":[{"index":1e99}]}`} {
		f.Add([]byte(seed))
	}
	for _, m := range builders {
		raw, _ := m.MarshalJSON()
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, err := lineapi.ParseMessages(data)
		if err != nil {
			assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
			return
		}
		assert.True(t, len(messages) >= 1 && len(messages) <= lineapi.MaxMessages)
		for _, m := range messages {
			assert.NotEmpty(t, m.Type())
			raw, err := m.MarshalJSON()
			require.NoError(t, err)
			assert.Contains(t, string(data), string(raw), "kept byte for byte")
		}
		if err := lineapi.CheckMessages(messages); err != nil {
			e := asError(t, err)
			assert.Equal(t, lineapi.Invalid, e.Reason)
			assert.NotEmpty(t, e.Details)
		}
	})
}

func FuzzMessageRoundTrip(f *testing.F) {
	for _, m := range builders {
		raw, _ := m.MarshalJSON()
		f.Add(raw)
	}
	f.Add([]byte(`{"type":"x","type":"y","n":1E400}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := lineapi.MessageOf(data)
		if err != nil {
			return
		}
		out, err := json.Marshal(m)
		require.NoError(t, err)
		var again lineapi.Message
		require.NoError(t, json.Unmarshal(out, &again))
		assert.Equal(t, m.Type(), again.Type())
		kept, err := m.MarshalJSON()
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(string(data)), strings.TrimSpace(string(kept)))
	})
}
