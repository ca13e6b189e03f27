package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRedis(t *testing.T) {
	const who = "a:" + secretRedis + "@"
	for url, name := range map[string]string{
		"redis://127.0.0.1:6379":                                 "127.0.0.1:6379",
		"redis://:" + secretRedis + "@redis.example.com/2":       "redis.example.com:6379/2",
		"redis://[::1]:6380":                                     "[::1]:6380",
		"redis:///3":                                             "localhost:6379/3",
		"rediss://" + who + "example.com:6380":                   "example.com:6380",
		"unix://" + who + "/run/redis.sock":                      "/run/redis.sock",
		"unix:///run/redis.sock?db=4":                            "/run/redis.sock/4",
		"redis-sentinel://" + who + "a,b:1,[::1]:2/main":         "a:26379,b:1,[::1]:2/main",
		"redis-sentinel://a/main/7":                              "a:26379/main/7",
		"redis-sentinel://a/7?master=main":                       "a:26379/main/7",
		"rediss-sentinel://a,b/?master_name=main":                "a:26379,b:26379/main",
		"redis+sentinel://a/main":                                "a:26379/main",
		"redis-cluster://" + who + "a:7000,b":                    "a:7000,b:6379",
		"rediss-cluster://a":                                     "a:6379",
		"redis-cluster://a/1":                                    "",
		"redis-sentinel://a":                                     "",
		"redis-sentinel://a,,b/main":                             "",
		"redis://a,b":                                            "",
		"redis://a?master=main":                                  "",
		"redis://a?sentinel_password=" + secretRedis:             "",
		"redis://a?password=" + secretRedis:                      "",
		"redis://a?ca=f.pem":                                     "",
		"rediss://a?cert=f.pem":                                  "",
		"redis://a:12/" + secretRedis + "@example.com":           "",
		"redis://a:12?" + secretRedis + "@example.com":           "",
		"redis://a:12#" + secretRedis + "@example.com":           "",
		"redis://a:%zz" + secretRedis + "@example.com":           "",
		"redis-sentinel://a:1," + secretRedis + "/%@b:6379/main": "",
		"redis-other://a":                                        "",
		"unix://":                                                "",
		"http://example.com":                                     "",
		"127.0.0.1:6379":                                         "",
	} {
		t.Run(url, func(t *testing.T) {
			o, err := parseRedis(url)
			assert.Equal(t, name, redisName(url))
			if name == "" {
				require.Error(t, err)
				assert.Equal(t, 2, exitCode(err))
				assert.NotEmpty(t, hintFor(err))
				assertNoSecrets(t, err.Error()+hintFor(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, strings.HasPrefix(url, "rediss"), o.TLSConfig != nil)
			assert.Equal(t, strings.Contains(url, "sentinel"), o.MasterName == "main")
			assert.Equal(t, strings.Contains(url, "cluster"), o.IsClusterMode)
			if strings.Contains(url, who) {
				assert.Equal(t, []string{"a", secretRedis}, []string{o.Username, o.Password})
			}
		})
	}
	t.Run("settings in the URL", func(t *testing.T) {
		o, err := parseRedis("redis://a:" + secretRedis + "@h/3?pool_size=7&read_timeout=9s")
		require.NoError(t, err)
		assert.Equal(t, []any{"a", secretRedis, 3, 7}, []any{o.Username, o.Password, o.DB, o.PoolSize})
		assert.Equal(t, "9s", o.ReadTimeout.String())
	})
	t.Run("the sentinels' own password", func(t *testing.T) {
		o, err := parseRedis("redis-sentinel://a:b@h/main?sentinel_username=c&sentinel_password=" + secretRedis)
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b", "c", secretRedis},
			[]string{o.Username, o.Password, o.SentinelUsername, o.SentinelPassword})
	})
	t.Run("the name that a certificate must have", func(t *testing.T) {
		for url, name := range map[string]string{
			"rediss://h":                            "h",
			"rediss-cluster://h":                    "h",
			"rediss-cluster://h,i":                  "",
			"rediss-sentinel://h,i/m?server_name=j": "j",
		} {
			o, err := parseRedis(url)
			require.NoError(t, err)
			assert.Equal(t, name, o.TLSConfig.ServerName, url)
		}
	})
	t.Run("files that aren't what they should be", func(t *testing.T) {
		for url, says := range map[string]string{
			"rediss://h?ca=" + filepath.Join(t.TempDir(), "none.pem"):                   "none.pem: no such file",
			"rediss://h?ca=" + file(t, "empty.pem", ""):                                 "no certificate in PEM form",
			"rediss://h?key=" + file(t, "k", "") + "&cert=" + file(t, "c", secretToken): "cert and key of the Redis URL",
		} {
			_, err := parseRedis(url)
			require.ErrorContains(t, err, says)
			assert.Equal(t, 2, exitCode(err))
			assertNoSecrets(t, err.Error())
		}
	})
}
