package gateway_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
)

// TestSetChannels changes who may call while others do.
func TestSetChannels(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	source := lineapi.StaticToken(token)
	as := func(bearer string) int {
		return s.ask(t, post("/v2/bot/message/push", hello, "Authorization", "Bearer "+bearer)).status
	}
	require.Equal(t, http.StatusOK, as(token))
	require.Equal(t, http.StatusOK, as("for-callers-alone"))

	var others sync.WaitGroup
	defer others.Wait()
	for range 4 {
		others.Go(func() {
			for range 50 {
				assert.Equal(t, http.StatusOK, as(token), "the channel that stays is there at every moment")
			}
		})
	}
	stays := gateway.Channel{CallerTokens: []string{token}, Token: source}
	for range 50 {
		require.NoError(t, s.SetChannels(map[string]gateway.Channel{
			tasks.DefaultChannel: stays, "news": {CallerTokens: []string{"for-news"}, Token: source},
		}))
		require.Error(t, s.SetChannels(map[string]gateway.Channel{
			tasks.DefaultChannel: stays, "shop": {CallerTokens: []string{token}, Token: source},
		}), "two channels with one token")
		require.Error(t, s.SetChannels(nil))
	}
	assert.Equal(t, http.StatusUnauthorized, as("for-callers-alone"))
	assert.Equal(t, http.StatusOK, as("for-news"))
}
