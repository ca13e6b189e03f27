package lineapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func TestChecksOfSingleArguments(t *testing.T) {
	user := "U0123456789abcdef0123456789abcdef"
	png := []byte("\x89PNG\x0D\x0A\x1A\x0A and more")
	for name, c := range map[string]struct {
		err      error
		property string // empty: no error
	}{
		"a user":               {lineapi.CheckUserIDs("userIds", []string{user}), ""},
		"no users":             {lineapi.CheckUserIDs("userIds", nil), "userIds"},
		"501 users":            {lineapi.CheckUserIDs("userIds", make([]string, 501)), "userIds"},
		"all":                  {lineapi.CheckUserIDs("userIds", []string{user, "all"}), "userIds[1]"},
		"a PNG":                {lineapi.CheckRichMenuImage("image/png", png), ""},
		"a PNG called JPEG":    {lineapi.CheckRichMenuImage("image/jpeg", png), "image"},
		"a GIF":                {lineapi.CheckRichMenuImage("image/gif", png), "Content-Type"},
		"no image":             {lineapi.CheckRichMenuImage("image/png", nil), "image"},
		"more than 1 MB":       {lineapi.CheckRichMenuImage("image/png", make([]byte, 1<<20+1)), "image"},
		"LINE's own time":      {lineapi.CheckLoading(0), ""},
		"a minute":             {lineapi.CheckLoading(time.Minute), ""},
		"seven seconds":        {lineapi.CheckLoading(7 * time.Second), "loadingSeconds"},
		"a token":              {lineapi.CheckMarkAsReadToken("token"), ""},
		"no token":             {lineapi.CheckMarkAsReadToken(""), "markAsReadToken"},
		"more than one minute": {lineapi.CheckLoading(65 * time.Second), "loadingSeconds"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.property == "" {
				require.NoError(t, c.err)
				return
			}
			var e *lineapi.Error
			require.ErrorAs(t, c.err, &e)
			assert.Equal(t, lineapi.Invalid, e.Reason)
			assert.Equal(t, c.property, e.Details[0].Property)
		})
	}
}
