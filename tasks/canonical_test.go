package tasks

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzCanonical holds the canonical form to what it was when encoding/json made it: records keep hashes of it.
func FuzzCanonical(f *testing.F) {
	for _, src := range []string{
		`{}`, `[]`, ` [ ] `, `{ }`, `null`, ` true `, `-0.00`, `1E+5`, `12345678901234567890`, `""`, `"<b>&\u003c"`, `"あ"`,
		`{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"a":{"c":1},"a":{"d":1}}`, `{"\u0061":1,"a":2,"A":3}`, `[1 , 2,[3],{"x" : "y"}]`,
		`{"to":"U1","messages":[{"type":"text","text":"\"\\ \/ \n \ud83d\ude00 \ud800 \u2028"}]}`, "\"\xff\"", "{\"\xff\":1,\"\xfe\":2}",
		"\"\u2028\u2029\x7f\"", `{"<":1,"=":2,"\u003b":3}`, `{"é":1,"e":2,"é":3}`, "\t{\r\n\"a\" :\t[ ] }\n",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if !json.Valid(src) {
			return
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(src))
		d.UseNumber()
		require.NoError(t, d.Decode(&v))
		want, err := json.Marshal(v)
		require.NoError(t, err)
		got, rest := canonical(nil, src)
		assert.Equal(t, string(want), string(got))
		assert.Empty(t, bytes.TrimSpace(rest))
	})
}
