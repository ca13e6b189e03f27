package template_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign/template"
)

// messages reads a message object or an array of them.
func messages(t testing.TB, text string) []lineapi.Message {
	t.Helper()
	all, err := lineapi.ParseMessages([]byte(text))
	require.NoError(t, err, text)
	return all
}

func bind(t testing.TB, text string, columns ...string) *template.Bound {
	t.Helper()
	parsed, err := template.Parse(messages(t, text))
	require.NoError(t, err, text)
	b, err := parsed.Bind(columns)
	require.NoError(t, err, text)
	return b
}

// says is a text message, which the JSON of the text stands in as it is.
func says(text string) string { return `{"type":"text","text":"` + text + `"}` }

func TestAppend(t *testing.T) {
	columns := []string{"to", "name", "名前", "empty"}
	values := []string{"U1", "Ann", "花子", ""}
	for in, want := range map[string]string{
		"plain":                           "plain",
		"":                                "",
		"{{name}}":                        "Ann",
		"Dear {{name}}!":                  "Dear Ann!",
		"{{name}}{{名前}}{{name}}":          "Ann花子Ann",
		"{{ name }} and {{　名前　}}":         "Ann and 花子",
		`{{\u540d\u524d}}`:                "花子",
		`\u007b\u007bname\u007d\u007d`:    "Ann",
		`\"{{name}}\"\n`:                  `\"Ann\"\n`,
		"{{name|you}}":                    "Ann",
		"{{empty|you}}":                   "you",
		"{{empty|}}.":                     ".",
		"{{nothing|you}}":                 "you",
		`{{nothing|\"お客様\"\u3042 | you}}`: `\"お客様\"\u3042 | you`,
		"{{nothing|{a} }}":                "{a} ",
		"{{nothing|a}}}":                  "a}",
		"{{{{name}}}}":                    "{{name}}",
		"{{{{{{name}}}}}}":                "{{Ann}}",
		"{{{{ {{name}} }}}} }}}}":         "{{ Ann }} }}}}",
		"{{{{{":                           "{{{",
		"{user1} {a}":                     "{user1} {a}",
		"}} }}}}":                         "}} }}}}",
		`{\"a\":{\"b\":{\"c\":{\"d\":\"{{name}}\"}}}}`: `{\"a\":{\"b\":{\"c\":{\"d\":\"Ann\"}}}}`,
		`\\{{name}}\\`: `\\Ann\\`,
	} {
		t.Run(in, func(t *testing.T) {
			got := bind(t, says(in), columns...).Append([]byte("body="), values)
			assert.Equal(t, "body=["+says(want)+"]", string(got))
		})
	}
}

// TestOtherBytes are kept: keys, numbers, blanks, escapes, and fields that nobody knows.
func TestOtherBytes(t *testing.T) {
	text := `{ "type" : "new\u0041",` + "\n\t" + `"{{a}}": 1.50e+3, "x{{": [true , null,{}, [ ],"\/{{a}}"],
		"y": {"{{a}}":"{{a|}}","z":-0}}`
	b := bind(t, `[`+text+` , `+says("{{a}}")+`]`, "a")
	want := strings.NewReplacer(`"\/{{a}}"`, `"\/1"`, `"{{a|}}"`, `"1"`).Replace(text)
	assert.Equal(t, `[`+want+`,`+says("1")+`]`, string(b.Append(nil, []string{"1"})))
}

func TestValues(t *testing.T) {
	b := bind(t, says("<{{a}}>"), "a")
	for name, value := range map[string]string{
		"plain": "Ann", "Japanese": "山田 花子さん", "emoji": "👩‍👩‍👧 🎉", "quotes": `"); drop`, "backslash": `\n\`, "lines": "a\r\n\tb",
		"controls": "\x00\x01\x1f\x7f", "HTML": "<a href='x'>&amp;</a>", "separators": "a\u2028b\u2029c",
		"braces": "{{a}} }}}} {{{{", "not UTF-8": "a\xffb\xc3", "half of one": "\xe3\x81", "surrogate": "\xed\xa0\x80",
		"mixed": "あ\"い\xffう\\え",
	} {
		t.Run(name, func(t *testing.T) {
			got := b.Append(nil, []string{value})
			var back []struct{ Text string }
			require.NoError(t, json.Unmarshal(got, &back))
			assert.Equal(t, "<"+string([]rune(value))+">", back[0].Text)
			if name == "HTML" {
				assert.Contains(t, string(got), "<a href='x'>&amp;</a>")
			}
		})
	}
	t.Run("none given", func(t *testing.T) {
		assert.Equal(t, `[`+says("<>")+`]`, string(b.Append(nil, nil)))
	})
}

// LINE reads {name} in the text of a textV2 as a place of its own.
func TestBracesInTextV2(t *testing.T) {
	for text, want := range map[string]string{
		"Hi {{name}}, {user1}": "Hi :-{{ {{user1}}, {user1}", "{{other|{user1}}}": "{user1}",
	} {
		m, err := lineapi.MessageOf([]byte(`{"type":"textV2","text":"` + text + `","substitution":{"user1":{"type":"mention"}},` +
			`"quickReply":{"items":[{"type":"action","action":{"type":"message","label":"Hi","text":"{{name}}"}}]}}`))
		require.NoError(t, err)
		parsed, err := template.Parse([]lineapi.Message{m})
		require.NoError(t, err)
		b, err := parsed.Bind([]string{"name"})
		require.NoError(t, err)
		var back []struct {
			Text       string
			QuickReply struct {
				Items []struct{ Action struct{ Text string } }
			}
		}
		require.NoError(t, json.Unmarshal(b.Append(nil, []string{":-{ {user1}"}), &back))
		assert.Equal(t, want, back[0].Text)
		assert.Equal(t, ":-{ {user1}", back[0].QuickReply.Items[0].Action.Text)
		braces := strings.Repeat("{", b.Safe())
		require.NoError(t, b.Check([]string{braces}), "as long as it is said to be safe")
	}
}

func TestParseErrors(t *testing.T) {
	bubble := func(text string) string {
		return `{"type":"flex","altText":"a","contents":{"type":"bubble","body":{"contents":[{},{"te\"xt":"` + text + `"}]}}}`
	}
	const path = `messages[0].contents.body.contents[1].te\"xt: `
	for text, want := range map[string]string{
		bubble("{{"):                             path + "the {{ at character 1 has no }}; {{{{ stands for a literal {{",
		bubble(`\n{{name`):                       path + "the {{ at character 2 has no }};",
		bubble("{{name}"):                        path + "the {{ at character 1 has no }};",
		bubble("{{a {{b}}"):                      path + "the {{ at character 1 has no }} before the next {{;",
		bubble("{{a|{{b}}}}"):                    path + "the {{ at character 1 has no }} before the next {{;",
		bubble("{{}}"):                           path + "the {{ at character 1 begins a placeholder without a name;",
		bubble("{{ |x}}"):                        path + "the {{ at character 1 begins a placeholder without a name;",
		bubble("{{{a}}}"):                        path + "the {{ at character 1 begins a name that holds a {;",
		bubble("{{a}b}}"):                        path + "the {{ at character 1 begins a name that holds a };",
		bubble(`{{\"a\"}}`):                      path + `the {{ at character 1 begins a name that holds a ";`,
		bubble(`{{a\u0000}}`):                    path + "the {{ at character 1 begins a name that holds a control character;",
		bubble(`{{\ud800}}`):                     path + "the {{ at character 1 begins a name that holds a control character;",
		bubble(`\ud83d{{a}}\ude00`):              path + "the escape at character 1 is half of a surrogate pair",
		`[` + says("a") + `,` + says("{{") + `]`: "messages[1].text: the {{",
		`{"type":"text","text":"a","quickReply":{"a":["{{"]}}`: "messages[0].quickReply.a[0]: the {{",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := template.Parse(messages(t, text))
			require.Error(t, err)
			assert.Contains(t, err.Error(), want)
			var wrong *template.Error
			assert.ErrorAs(t, err, &wrong)
		})
	}
	t.Run("number of messages", func(t *testing.T) {
		_, err := template.Parse(nil)
		assert.EqualError(t, err, "messages: these are 0, and LINE takes 1 to 5")
		_, err = template.Parse(make([]lineapi.Message, 6))
		assert.EqualError(t, err, "messages: these are 6, and LINE takes 1 to 5")
		_, err = template.Parse(make([]lineapi.Message, 1))
		assert.EqualError(t, err, "messages[0]: it is not a message")
	})
}

func TestPlaceholders(t *testing.T) {
	parsed, err := template.Parse(messages(t, `[`+says("{{b|x}} {{a}} {{c|}}")+`,`+says("{{b}}{{c|y}}")+`]`))
	require.NoError(t, err)
	assert.Equal(t, []template.Placeholder{{"b", false}, {"a", false}, {"c", true}}, parsed.Placeholders())
	b, err := parsed.Bind([]string{"a", "b"})
	require.NoError(t, err)
	assert.Empty(t, b.Missing([]string{"1", "2"}))
	assert.Equal(t, "b", b.Missing([]string{"1", ""}))
	assert.Equal(t, "b", b.Missing([]string{""}))
	assert.Equal(t, "a", b.Missing([]string{"", "2"}))
}

func TestBindErrors(t *testing.T) {
	many := strings.Split(strings.Repeat("column,", 21)+"last", ",")
	for name, test := range map[string]struct {
		text    string
		columns []string
		want    string
	}{
		"typo": {
			"{{nmae}}", []string{"to", "name"},
			"there is no column for {{nmae}} (is name meant?): there are to, name; {{name|default}} needs none",
		},
		"case":     {"{{NAME}}", []string{"to", "name"}, "{{NAME}} (is name meant?)"},
		"dash":     {"{{first-name}}", []string{"first_name", "name"}, "{{first-name}} (is first_name meant?)"},
		"Japanese": {"{{名前}}", []string{"お名前"}, "{{名前}} (is お名前 meant?)"},
		"another":  {"{{shop}}", []string{"to", "name"}, "{{shop}}: there are to, name;"},
		"short":    {"{{a}}", []string{"b"}, "{{a}}: there are b;"},
		"two":      {"{{a}} {{b}} {{c|}}", []string{"to"}, "for {{a}}, {{b}}: there are to;"},
		"none":     {"{{a}}", nil, "{{a}}: there are none;"},
		"many":     {"{{a}}", many, "column and 2 more;"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := template.Parse(messages(t, says(test.text)))
			require.NoError(t, err)
			_, err = parsed.Bind(test.columns)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestCheck(t *testing.T) {
	b := bind(t, says("{{a}}"), "a")
	assert.NoError(t, b.Check([]string{strings.Repeat("あ", 5000)}))
	err := b.Check([]string{strings.Repeat("あ", 5001)})
	require.Error(t, err)
	assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
	assert.Contains(t, err.Error(), "messages[0].text Length must be between 0 and 5000")
	assert.Error(t, b.Check([]string{""}))
	assert.Error(t, bind(t, `{"type":"{{a}}"}`, "a").Check([]string{""}))
}

func TestAllocations(t *testing.T) {
	b := bind(t, says("{{a}} 様 {{b|お客様}} {{c|}}"), "a", "b")
	dst := make([]byte, 0, 4096)
	values := []string{"山田\"花子\"", "plain \xff"}
	assert.Zero(t, testing.AllocsPerRun(100, func() { dst = b.Append(dst[:0], values) }))
}

func BenchmarkAppend(b *testing.B) {
	bound := bind(b, says("{{name}}様、{{shop}}からのお知らせです。{{note|}}"), "name", "shop")
	dst := make([]byte, 0, 4096)
	values := []string{"山田 花子", "Shibuya"}
	for b.Loop() {
		dst = bound.Append(dst[:0], values)
	}
}
