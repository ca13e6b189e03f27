package template_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign/template"
)

func bindRapid(t *rapid.T, text string) *template.Bound {
	all, err := lineapi.ParseMessages([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	parsed, err := template.Parse(all)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	b, err := parsed.Bind([]string{"a", "b"})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return b
}

// FuzzAppend compares with what a program does that decodes the messages, replaces in each string, and writes them again.
func FuzzAppend(f *testing.F) {
	for _, text := range []string{
		"Dear {{name}}", "{{name|you}}{{x|}}", "{{{{{{name}}}}}}", `\u007b{n\u0061me}}`,
		`{\"a\":{\"b\":\"{{name}}\"}}}}`, "{{", "{{{{}}}}", `\ud83d\ude00{{名前|\ud83c}}`, "}}}}{{{{}}", "{{name}}}}}}",
	} {
		f.Add([]byte(says(text)), "Ann", "")
		both := `[ {"type":"x","{{a}}":["` + text + `", 1.0e5, {"y":"` + text + `"}]},` + says(text) + `]`
		f.Add([]byte(both), "\"\\\n\x00\xff", "花子")
	}
	f.Fuzz(func(t *testing.T, file []byte, name, x string) {
		all, err := lineapi.ParseMessages(file)
		if err != nil {
			return
		}
		parsed, err := template.Parse(all)
		if err != nil {
			return
		}
		columns := []string{"name", "x"}
		for _, p := range parsed.Placeholders() {
			columns = append(columns, p.Name)
		}
		b, err := parsed.Bind(columns)
		require.NoError(t, err)
		values := []string{name, x, "third"}
		got := b.Append(nil, values)
		require.True(t, json.Valid(got), "%s: %q", file, got)

		source, err := json.Marshal(all) // compact: the values are compared, not their bytes
		require.NoError(t, err)
		lookUp := func(name string) string {
			for i, c := range columns {
				if c == name && i < len(values) {
					return string([]rune(values[i]))
				}
			}
			return ""
		}
		assert.Equal(t, replace(decode(t, source), lookUp), decode(t, got), "%s", file)
	})
}

func decode(t *testing.T, b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%s", b)
	return v
}

func replace(v any, lookUp func(string) string) any {
	switch v := v.(type) {
	case string:
		return replaceText(v, lookUp)
	case []any:
		for i := range v {
			v[i] = replace(v[i], lookUp)
		}
	case map[string]any:
		for key := range v {
			v[key] = replace(v[key], lookUp)
		}
	}
	return v
}

func replaceText(s string, lookUp func(string) string) string {
	var b strings.Builder
	opened := 0
	for s != "" {
		switch {
		case strings.HasPrefix(s, "{{{{"):
			opened++
			b.WriteString("{{")
			s = s[4:]
		case strings.HasPrefix(s, "}}}}") && opened > 0:
			opened--
			b.WriteString("}}")
			s = s[4:]
		case strings.HasPrefix(s, "{{"):
			inner, rest, _ := strings.Cut(s[2:], "}}")
			name, fallback, _ := strings.Cut(inner, "|")
			value := lookUp(strings.TrimSpace(name))
			if value == "" {
				value = fallback
			}
			b.WriteString(value)
			s = rest
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}
