package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

func TestParseRedis(t *testing.T) {
	for url, name := range map[string]string{
		"redis://127.0.0.1:6379":                           "127.0.0.1:6379",
		"redis://:" + secretRedis + "@redis.example.com/2": "redis.example.com:6379/2",
		"rediss://a:" + secretRedis + "@example.com:6380":  "example.com:6380",
		"unix://a:" + secretRedis + "@/run/redis.sock":     "/run/redis.sock",
		"http://example.com":                               "",
		"127.0.0.1:6379":                                   "",
	} {
		t.Run(url, func(t *testing.T) {
			o, err := parseRedis(url)
			assert.Equal(t, name == "", err != nil)
			assert.Equal(t, name, redisName(url))
			if err == nil {
				assert.Equal(t, url[:6] == "rediss", o.TLSConfig != nil)
			}
		})
	}
	t.Run("settings in the URL", func(t *testing.T) {
		o, err := parseRedis("redis://a:" + secretRedis + "@h/3?pool_size=7&read_timeout=9s")
		require.NoError(t, err)
		assert.Equal(t, []any{"a", secretRedis, 3, 7}, []any{o.Username, o.Password, o.DB, o.PoolSize})
		assert.Equal(t, "9s", o.ReadTimeout.String())
	})
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	redistest.Start(t, "--unixsocket", socket)
	assert.Equal(t, "[]\n", cli{t, nil}.ok("task", "list", "--json", "--redis", "unix://"+socket))
}
