package template_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/tasks/campaign/template"
)

func TestSafe(t *testing.T) {
	uri := func(uri string) string {
		return `{"type":"template","altText":"a","template":{"type":"buttons","text":"a","actions":[` +
			`{"type":"uri","label":"{{label|Open}}","uri":"` + uri + `"}]}}`
	}
	columns := func(titles string) string {
		column := `{"text":"a","title":"` + titles + `","actions":[{"type":"message","label":"a","text":"b"}]}`
		return `{"type":"template","altText":"a","template":{"type":"carousel","columns":[` + column + `,` +
			strings.ReplaceAll(column, "{{a", "{{b") + `]}}`
	}
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"no placeholder":            {says("a"), template.MaxSafe},
		"no placeholder, no good":   {says(""), 0},
		"text":                      {says("{{a}}"), template.MaxSafe},
		"twice":                     {says("{{a}}{{b}}"), 2500},
		"beside":                    {says(strings.Repeat("あ", 4000) + "{{a}}"), 1000},
		"a default that is longer":  {says("{{a|" + strings.Repeat("x", 2000) + "}}{{b}}"), 2500},
		"a default that is too big": {says("{{a|" + strings.Repeat("x", 5001) + "}}"), 0},
		"may be empty":              {says("{{a|}}"), 0},
		"may be empty, but not all": {says("{{a|}}."), template.MaxSafe},
		"label":                     {uri("https://example.com/{{a}}"), 20},
		"whole URI":                 {uri("{{a}}"), 0},
		"scheme":                    {uri("http{{a|s}}://example.com"), 0},
		"type":                      {`{"type":"{{a}}"}`, 0},
		"type, escaped":             {`{"type":"new","x":{"typ\u0065":"{{a}}"}}`, 0},
		"emojis":                    {`{"type":"text","text":"$ {{a}}","emojis":[{"index":0}]}`, 0},
		"title of all or none":      {columns("{{a|}}"), 0},
		"title of all":              {columns("{{a}}"), 40},
		"bubble": {
			`{"type":"flex","altText":"a","contents":{"type":"bubble","x":"` + strings.Repeat("x", 30000) + `{{a}}"}}`,
			(30<<10 - 30000 - len(`{"type":"bubble","x":""}`)) / 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, bind(t, test.text, "a", "b", "label").Safe())
		})
	}
}

// TestSafeIsSafe lets no values that are short enough fail the check.
func TestSafeIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		use := rapid.Custom(func(t *rapid.T) string {
			name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
			fallback := rapid.SampledFrom([]string{"", "|", "|x", `|\"あ`, "|" + strings.Repeat("🎉", 70)}).Draw(t, "default")
			return "{{" + name + fallback + "}}"
		})
		text := rapid.Custom(func(t *rapid.T) string {
			plain := rapid.SampledFrom([]string{"", " ", "あ", "https://example.com/", strings.Repeat("x", 30)})
			return strings.Join(rapid.SliceOfN(rapid.OneOf(plain, use), 1, 4).Draw(t, "parts"), "")
		})
		type message struct{ format string }
		format := rapid.SampledFrom([]message{
			{says("1")},
			{`{"type":"textV2","text":"1","quickReply":{"items":[{"type":"action","action":{"type":"message","label":"2","text":"3"}}]}}`},
			{`{"type":"image","originalContentUrl":"https://example.com/1","previewImageUrl":"2"}`},
			{`{"type":"flex","altText":"1","contents":{"type":"bubble","x":"2","y":"` + strings.Repeat("y", 30000) + `3"}}`},
			{`{"type":"template","altText":"1","template":{"type":"buttons","title":"2","text":"3","actions":[]}}`},
			{`{"type":"template","altText":"a","template":{"type":"carousel","columns":[` +
				`{"title":"1","text":"2","actions":[]},{"title":"3","text":"2","actions":[]}]}}`},
			{`{"type":"template","altText":"a","template":{"type":"confirm","text":"1","actions":[` +
				`{"type":"uri","label":"2","uri":"http3"},{"type":"1","label":"2"}]}}`},
		}).Draw(t, "message").format
		for _, place := range []string{"1", "2", "3"} {
			format = strings.ReplaceAll(format, `"`+place+`"`, `"`+text.Draw(t, "text")+`"`)
			format = strings.ReplaceAll(format, place+`"`, text.Draw(t, "text")+`"`)
		}
		b := bindRapid(t, format)
		safe := b.Safe()
		if safe == 0 {
			return
		}
		value := rapid.Custom(func(t *rapid.T) string {
			s := rapid.OneOf(
				rapid.String(), rapid.Just(""), rapid.SampledFrom([]string{"\x00", "x", "\"", "あ", "🎉", "\xff", "e\u0301"}),
			).Draw(t, "value")
			if s != "" && rapid.Bool().Draw(t, "long") {
				s = strings.Repeat(s, safe/len(s)+1)
			}
			return s[:min(len(s), safe)]
		})
		values := []string{value.Draw(t, "a"), value.Draw(t, "b")}
		if b.Missing(values) != "" {
			return
		}
		if err := b.Check(values); err != nil {
			t.Fatalf("%.200s with %.40q: %v", format, values, err)
		}
	})
}
