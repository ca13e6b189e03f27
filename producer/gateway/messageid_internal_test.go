package gateway

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every message's id leads back to its task.
func TestMessageID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9._:@+=-]{1,128}`),
			rapid.Custom(func(t *rapid.T) string {
				return formatUUID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "UUID")))
			}),
		).Draw(t, "id")
		n := rapid.IntRange(0, 4).Draw(t, "n")
		message := messageID(id, n)
		assert.Regexp(t, `^[1-9][0-9]+$`, message)
		back, place, err := ParseMessageID(message)
		require.NoError(t, err)
		assert.Equal(t, id, back)
		assert.Equal(t, n, place)
	})
}
