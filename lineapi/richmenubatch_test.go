package lineapi_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func TestParseRichMenuOperations(t *testing.T) {
	const a, b = "richmenu-88c05ef6921ae53f8b58a25f3a65faf7", "richmenu-88c05ef6921ae53f8b58a25f3a65faf8"
	for name, tt := range map[string]struct {
		file string
		want []lineapi.RichMenuOperation
	}{
		"each type": {
			`[{"type":"link","from":"` + a + `","to":"` + b + `"}, {"from":"` + b + `","type":"unlink"}, {"type":"unlinkAll"}]`,
			[]lineapi.RichMenuOperation{{Type: "link", From: a, To: b}, {Type: "unlink", From: b}, {Type: "unlinkAll"}},
		},
		"a byte order mark, and white space": {
			"\uFEFF\n [ {\"type\" : \"unlinkAll\"} ]\r\n", []lineapi.RichMenuOperation{{Type: "unlinkAll"}},
		},
		"none, which is left to Check":         {`[]`, []lineapi.RichMenuOperation{}},
		"values, which are left to Check":      {`[{"type":"move","to":""}]`, []lineapi.RichMenuOperation{{Type: "move"}}},
		"an empty object, which is left to it": {`[{}]`, []lineapi.RichMenuOperation{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lineapi.ParseRichMenuOperations([]byte(tt.file))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}

	const secret = "U4af4980629f8000000000000000000ab"
	for name, tt := range map[string]struct{ file, want string }{
		"nothing":        {``, "the file of operations is not JSON: line 1, column 1: unexpected end of JSON input"},
		"half a file":    {"[\n {\"type\":", "the file of operations is not JSON: line 2, column 9: unexpected end of JSON input"},
		"two values":     {`[] []`, "the file of operations is not JSON: line 1, column 4: invalid character '[' after top-level value"},
		"no UTF-8":       {"[\"\xff\"]", "the file of operations is not valid UTF-8"},
		"null":           {`null`, "the file of operations holds no JSON array"},
		"a request body": {`{"operations":[]}`, "the file of operations holds no JSON array"},
		"a string":       {`"` + secret + `"`, "the file of operations holds no JSON array"},
		"an element that is none": {
			`[{"type":"unlinkAll"},"` + secret + `",null]`,
			"refused before sending: operations[1] is not a JSON object; operations[2] is not a JSON object",
		},
		"a property that is none": {
			`[{"type":"unlink","form":"` + secret + `"},{"` + secret + `":"x"},{"Type":"unlinkAll"}]`,
			"refused before sending: operations[0] has a property other than type, from and to; " +
				"operations[1] has a property other than type, from and to; " +
				"operations[2] has a property other than type, from and to",
		},
		"a value that is no string": {
			`[{"type":1,"from":null,"to":["` + secret + `"]}]`,
			"refused before sending: operations[0].from must be a string; operations[0].to must be a string; " +
				"operations[0].type must be a string",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lineapi.ParseRichMenuOperations([]byte(tt.file))
			assert.EqualError(t, err, tt.want)
			assert.Equal(t, lineapi.Invalid, asError(t, err).Reason)
			assert.NotContains(t, err.Error(), secret)
		})
	}
}

// What is read is what stands there: written and read again it is the same, and nothing is left out.
func FuzzParseRichMenuOperations(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `[]`, `[{}]`, `[null]`, `[{"type":"link","from":"a","to":"b"},{"type":"unlinkAll"}]`, "\uFEFF[",
		`[{"type":"unlink","from":"a","from":"b"}]`, `[{"type":1e99}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		operations, err := lineapi.ParseRichMenuOperations(data)
		if err != nil {
			e := asError(t, err)
			assert.Equal(t, lineapi.Invalid, e.Reason)
			assert.True(t, e.Unsent)
			return
		}
		written, err := json.Marshal(operations)
		require.NoError(t, err)
		again, err := lineapi.ParseRichMenuOperations(written)
		require.NoError(t, err)
		assert.Equal(t, operations, again)
	})
}
