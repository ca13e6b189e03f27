package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

// newLINE is a simulated LINE with two more channels, which notes the tokens that it is called with.
func newLINE(t *testing.T) (url string, tokens func() []string) {
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{
		{ID: "1", Secret: secretSecret, Token: secretToken}, {ID: "2", Token: secretToken + "-2"},
	}})
	require.NoError(t, err)
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/bot/message/push" {
			mu.Lock()
			seen = append(seen, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			mu.Unlock()
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := seen
		seen = nil
		return all
	}
}

// TestChannels sends through a worker for each way in which a channel's token can be given.
func TestChannels(t *testing.T) {
	line, tokens := newLINE(t)
	config := file(t, "lineq.yaml", fmt.Sprintf(`
channels:
  default: {token_env: NOT_THIS_ONE}
  by-env: {token_env: SHOP_TOKEN}
  by-file: {token_file: %s}
  by-secret: {channel_id: "1", secret_env: SHOP_SECRET}
  by-secret-file: {channel_id: "1", secret_file: %s}
log-level: debug
line-origin: %s
`, file(t, "token", secretToken+"-2\n"), file(t, "secret", secretSecret+"\n"), line))

	for name, test := range map[string]struct {
		env      map[string]string
		args     []string
		channels map[string]string // and their tokens; empty: one that was issued
	}{
		"LINE_CHANNEL_ACCESS_TOKEN": {
			map[string]string{"LINE_CHANNEL_ACCESS_TOKEN": secretToken},
			[]string{"--line-origin", line},
			map[string]string{"default": secretToken},
		},
		"LINE_CHANNEL_SECRET": {
			map[string]string{"LINE_CHANNEL_ID": "1", "LINE_CHANNEL_SECRET": secretSecret, "LINEQ_LINE_ORIGIN": line},
			[]string{"--log-format", "json"},
			map[string]string{"default": ""},
		},
		"a file": {
			map[string]string{
				"LINE_CHANNEL_ACCESS_TOKEN": secretToken, "SHOP_TOKEN": secretToken + "-2", "SHOP_SECRET": secretSecret,
				"NOT_THIS_ONE": "x",
			},
			[]string{"--config", config},
			map[string]string{
				"default": secretToken, "by-env": secretToken + "-2", "by-file": secretToken + "-2", "by-secret": "",
				"by-secret-file": "",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := withMini(t)
			for k, v := range test.env {
				c.env[k] = v
			}
			w := c.start(append([]string{"worker"}, test.args...)...)
			w.await("worker started")
			for channel, token := range test.channels {
				c.ok("send", "push", "--to", user, "--text", secretText, "--channel", channel, "--wait")
				used := tokens()
				require.Len(t, used, 1)
				if token != "" {
					assert.Equal(t, token, used[0])
				} else {
					assert.NotEmpty(t, used[0])
				}
			}
			require.NoError(t, w.stop())
			assert.Contains(t, w.output(), strings.TrimPrefix(c.env["LINEQ_REDIS"], "redis://"))
			assert.Contains(t, w.output(), line)
		})
	}
}
