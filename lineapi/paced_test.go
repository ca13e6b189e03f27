package lineapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
)

func TestPaced(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Query().Get("start") == "" {
			_, _ = w.Write([]byte(`{"memberIds":["U1"],"next":"more"}`))
			return
		}
		_, _ = w.Write([]byte(`{"memberIds":["U2"]}`))
	}))
	defer server.Close()
	plain, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("t"), Origin: server.URL, DataOrigin: server.URL})
	require.NoError(t, err)

	const group = "C0123456789abcdef0123456789abcdef"
	t.Run("every page asks", func(t *testing.T) {
		requests = 0
		var asked []string
		c := plain.Paced(func(_ context.Context, e endpoint.Endpoint) (time.Duration, error) {
			assert.Equal(t, len(asked), requests, "before the request")
			asked = append(asked, e.Operation)
			return 0, nil
		})
		for _, err := range c.GroupMembers(t.Context(), group) {
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"getGroupMembersIds", "getGroupMembersIds"}, asked)
		assert.Equal(t, 2, requests)
	})
	t.Run("its turn comes later", func(t *testing.T) {
		requests = 0
		c := plain.Paced(func(context.Context, endpoint.Endpoint) (time.Duration, error) { return time.Minute, nil })
		_, err := c.BotInfo(t.Context())
		var e *lineapi.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, lineapi.RateLimited, e.Reason)
		assert.True(t, e.Unsent)
		assert.Equal(t, time.Minute, e.RetryAfter)
		assert.Zero(t, requests)
	})
	t.Run("nobody can be asked", func(t *testing.T) {
		requests = 0
		away := errors.New("redis is away")
		c := plain.Paced(func(context.Context, endpoint.Endpoint) (time.Duration, error) { return 0, away })
		_, err := c.BotInfo(t.Context())
		var e *lineapi.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent)
		assert.ErrorIs(t, err, away)
		assert.Zero(t, requests)
	})
	t.Run("the client itself stays as it was", func(t *testing.T) {
		requests = 0
		_, _ = plain.BotInfo(t.Context())
		assert.Equal(t, 1, requests)
	})
}
