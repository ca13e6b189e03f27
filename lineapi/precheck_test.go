package lineapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
)

func TestPrechecks(t *testing.T) {
	png, jpeg := []byte("\x89PNG\r\n\x1a\n"), []byte("\xff\xd8\xff\xe0")
	for name, tt := range map[string]struct {
		err  error
		want string // text, or empty for none
	}{
		"user ids":             {lineapi.CheckUserIDs("userIds", []string{userID}), ""},
		"no user ids":          {lineapi.CheckUserIDs("userIds", nil), "userIds Size must be between 1 and 500"},
		"a bad user id":        {lineapi.CheckUserIDs("to", []string{userID, groupID}), "to[1] doesn't start with U as a user id does"},
		"a png":                {lineapi.CheckRichMenuImage("image/png", png), ""},
		"a jpeg":               {lineapi.CheckRichMenuImage("image/jpeg", jpeg), ""},
		"a jpeg called png":    {lineapi.CheckRichMenuImage("image/png", jpeg), "image is not of the type image/png"},
		"a gif":                {lineapi.CheckRichMenuImage("image/gif", []byte("GIF89a")), "Content-Type must be image/jpeg or image/png"},
		"no image":             {lineapi.CheckRichMenuImage("image/png", nil), "image must hold 1 byte to 1 MB"},
		"1 MB":                 {lineapi.CheckRichMenuImage("image/png", append(png, make([]byte, 1<<20-len(png))...)), ""},
		"more":                 {lineapi.CheckRichMenuImage("image/png", append(png, make([]byte, 1<<20)...)), "image must hold 1 byte to 1 MB"},
		"loading":              {lineapi.CheckLoading(60 * time.Second), ""},
		"loading by default":   {lineapi.CheckLoading(0), ""},
		"loading for too long": {lineapi.CheckLoading(65 * time.Second), "loadingSeconds must be 5 to 60, in steps of 5"},
		"a token":              {lineapi.CheckMarkAsReadToken("t"), ""},
		"no token":             {lineapi.CheckMarkAsReadToken(""), "markAsReadToken May not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.want == "" {
				assert.NoError(t, tt.err)
				return
			}
			assert.EqualError(t, tt.err, "refused before sending: "+tt.want)
		})
	}
	t.Run("image types", func(t *testing.T) {
		assert.Equal(t, "image/png", lineapi.ImageType(png))
		assert.Equal(t, "image/jpeg", lineapi.ImageType(jpeg))
		assert.Empty(t, lineapi.ImageType([]byte("GIF89a")))
	})
}
