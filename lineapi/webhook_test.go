package lineapi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
)

func TestVerifySignature(t *testing.T) {
	const (
		secret    = "8c570fa6dd201bb328f1c1eac23a96d8"
		body      = `{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}`
		signature = "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=" // an example of LINE's documentation
	)
	for name, tt := range map[string]struct {
		secret, body, signature string
		want                    bool
	}{
		"LINE's own example": {secret, body, signature, true},
		"another body":       {secret, body + " ", signature, false},
		"another secret":     {"8c570fa6dd201bb328f1c1eac23a96d9", body, signature, false},
		"no signature":       {secret, body, "", false},
		"no secret":          {"", body, signature, false},
		"signed by nothing":  {"", "{}", "IvjuqQlACvmK3zaBqfMZI+9rf8ukq7VT2Sgjo+nVwl4=", false},
		"a cut signature":    {secret, body, signature[:40], false},
		"not base64":         {secret, body, "?", false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, lineapi.VerifySignature(tt.secret, []byte(tt.body), tt.signature))
		})
	}
}
