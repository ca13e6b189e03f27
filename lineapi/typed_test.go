package lineapi

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestIsPlainlyTyped(t *testing.T) {
	for _, raw := range []string{
		`{"type":"text"}`, ` { "text" : "\"type\":" , "type" : "text" } `, `{"a":{"type":1},"b":["type",{"type":""}],"type":"\u0061"}`,
		`{"text":"type","type":"x"}`,
	} {
		assert.True(t, isPlainlyTyped([]byte(raw)), raw)
	}
	for _, raw := range []string{
		`{}`, `[]`, `["type",{"type":"x"}]`, `"type"`, `1`, `null`, `{"type":""}`, `{"type":1}`, `{"type":null}`, `{"a":{"type":"x"}}`,
		`{"text":"type"}`, `{"Type":"x"}`, `{"type":"x","type":1}`, `{"type":"x","\u0074ype":1}`,
	} {
		assert.False(t, isPlainlyTyped([]byte(raw)), raw)
	}
}

// FuzzIsPlainlyTyped holds what is told without decoding to what decoding finds.
func FuzzIsPlainlyTyped(f *testing.F) {
	f.Add([]byte(`{"type":"text","text":"\"type\":1","a":[{"type":""}]}`))
	f.Add([]byte(`{"type":"x","type":""}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if json.Valid(raw) && utf8.Valid(raw) && isPlainlyTyped(raw) {
			_, problem := decodeTyped(raw)
			assert.Empty(t, problem, "%q", raw)
		}
	})
}
