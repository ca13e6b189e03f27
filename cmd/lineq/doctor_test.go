package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

// examined runs lineq doctor, in both forms, and finds its findings by check and subject.
func examined(t *testing.T, c cli, args ...string) (found map[string]finding, code int) {
	t.Helper()
	o := c.run(append([]string{"doctor", "--json"}, args...)...)
	found = map[string]finding{}
	worst := 0
	for _, f := range document[[]finding](t, o.stdout) {
		found[strings.TrimSpace(f.Check+" "+f.Subject)] = f
		assert.NotEmpty(t, f.Text)
		if f.State == problem {
			worst = 1
			assert.NotEmpty(t, f.Advice, f)
		}
	}
	assert.Equal(t, worst, o.code, o.stderr)
	text := c.run(append([]string{"doctor"}, args...)...)
	assert.Equal(t, o.code, text.code)
	assert.Equal(t, len(document[[]finding](t, o.stdout)), strings.Count(text.stdout, "\n"), "one line per check")
	return found, o.code
}

// stands checks the state of a finding, and a part of what it says.
func stands(t *testing.T, found map[string]finding, name string, v verdict, says string) {
	t.Helper()
	f, ok := found[name]
	require.True(t, ok, "%s: %v", name, found)
	assert.Equal(t, v, f.State, f)
	assert.Contains(t, f.Text+"; "+f.Advice, says)
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	withLine := func(url string) cli {
		return cli{t, map[string]string{
			"REDIS_URL": url, "LINE_CHANNEL_ACCESS_TOKEN": linesim.DefaultChannel.Token, "LINEQ_LINE_ORIGIN": line.URL,
		}}
	}

	t.Run("all is well", func(t *testing.T) {
		c := withLine(redistest.Start(t).URL())
		w := c.start("worker")
		w.await("worker started")
		found, code := examined(t, c)
		assert.Zero(t, code)
		for name, f := range found {
			assert.Equal(t, fine, f.State, name)
		}
		stands(t, found, "workers", fine, "("+lineapi.Version+")")
		stands(t, found, "channel default", fine, "served by a worker")
		stands(t, found, "token default", fine, "LINE knows it as")
		stands(t, found, "limits default", fine, "LINE publishes")
		require.NoError(t, w.stop())
	})
	t.Run("Redis is run badly", func(t *testing.T) {
		server := redistest.Start(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
		require.NoError(t, server.Client(t).ConfigSet(t.Context(), "maxmemory", "900kb").Err())
		found, code := examined(t, withLine(server.URL()))
		assert.Equal(t, 1, code)
		stands(t, found, "policy", problem, "set noeviction")
		stands(t, found, "persistence", problem, "set appendonly yes")
		stands(t, found, "memory", problem, "raise maxmemory")
		stands(t, found, "workers", warning, "start lineq worker")
		stands(t, found, "channel", warning, "no worker has run")
		require.NoError(t, server.Client(t).ConfigSet(t.Context(), "save", "3600 1").Err())
		found, _ = examined(t, withLine(server.URL()))
		stands(t, found, "persistence", warning, "snapshots alone")
	})
	t.Run("a replica", func(t *testing.T) {
		replica := redistest.StartReplica(t, redistest.Start(t))
		found, code := examined(t, withLine(replica.URL()))
		assert.Equal(t, 1, code)
		stands(t, found, "role", problem, "name the master")
	})
	t.Run("no Redis, no token, wrong token", func(t *testing.T) {
		c := withLine("redis://:" + secretRedis + "@127.0.0.1:1")
		c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
		found, code := examined(t, c)
		assert.Equal(t, 1, code)
		stands(t, found, "redis", problem, "is it running there?")
		stands(t, found, "token default", problem, "give this command and the worker a new one")
		assert.NotContains(t, found, "quota default")
		delete(c.env, "LINE_CHANNEL_ACCESS_TOKEN")
		found, _ = examined(t, c)
		stands(t, found, "line", warning, "set LINE_CHANNEL_ACCESS_TOKEN")
		c = withLine(redistest.Start(t).URL())
		c.env["LINEQ_LINE_ORIGIN"] = "http://127.0.0.1:1"
		found, _ = examined(t, c)
		stands(t, found, "token default", problem, "HTTPS")
	})
	t.Run("held, paused, waiting, with limits of its own", func(t *testing.T) {
		server := redistest.Start(t)
		rdb, ctx := server.Client(t), t.Context()
		c := withLine(server.URL())
		c.ok("send", "push", "--to", user, "--text", secretText)
		require.NoError(t, channel.Register(ctx, rdb, "default", "shop", "news"))
		for name, h := range map[string]channel.Hold{
			"shop": {Reason: channel.Operator, Note: "wrong price"}, "news": {Reason: lineapi.Auth},
		} {
			_, err := channel.Put(ctx, rdb, name, h)
			require.NoError(t, err)
		}
		old := time.Now().Add(-time.Hour).UnixNano()
		id := rdb.LIndex(ctx, "asynq:{lineq-push-default}:pending", 0).Val()
		require.NoError(t, rdb.HSet(ctx, "asynq:{lineq-push-default}:t:"+id, "pending_since", old).Err())
		found, _ := examined(t, c, "--line-limits", file(t, "limits.yaml", "rates: {multicast: 1/s}\n"))
		stands(t, found, "workers", problem, "none runs, and 1 task waits")
		stands(t, found, "channel shop", warning, "(wrong price); lineq channel resume shop")
		stands(t, found, "channel news", problem, "held for auth")
		stands(t, found, "oldest task lineq-push-default", warning, "has waited for 1h0m")
		stands(t, found, "limits default", fine, "below what LINE publishes for multicast")

		require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).PauseQueue("lineq-push-default"))
		found, _ = examined(t, c, "--line-limits", "off")
		stands(t, found, "queue lineq-push-default", warning, "1 task waits there; unpause it")
		stands(t, found, "oldest task", fine, "paused queues")
		stands(t, found, "limits default", warning, "none is kept")
	})
	t.Run("the quota is nearly spent", func(t *testing.T) {
		d := &doctor{}
		quota := quotaState{Limit: new(int64(100)), Left: new(int64(3)), Used: 97}
		d.lookAtQuota(checked{Channel: "a", Token: "ok", Quota: &quota})
		assert.Equal(t, warning, d.all[0].State)
		assert.Contains(t, d.all[0].Text, "3 of 100 left")
	})
	t.Run("a clock that is wrong", func(t *testing.T) {
		for ahead, v := range map[time.Duration]verdict{0: fine, -3 * time.Second: warning, time.Minute: problem} {
			d := &doctor{}
			d.lookAtClocks(t.Context(), wrongClock{ahead: ahead})
			assert.Equal(t, v, d.all[0].State)
			assert.Equal(t, fine, d.all[1].State)
		}
	})
	t.Run("a sentinel is missing", func(t *testing.T) {
		s := redistest.StartSentinels(t)
		c := withLine("redis-sentinel://" + strings.Join(s.Addrs, ",") + ",127.0.0.1:1/" + redistest.MasterName)
		found, code := examined(t, c)
		assert.Zero(t, code)
		for _, addr := range s.Addrs {
			stands(t, found, "sentinel "+addr, fine, "with 2 replicas; 2 other sentinels")
		}
		stands(t, found, "sentinel 127.0.0.1:1", warning, "start it")
	})
	t.Run("what can't be read", func(t *testing.T) {
		assert.Equal(t, 2, withLine("http://a").run("doctor").code)
		assert.Equal(t, 2, withLine(redistest.Start(t).URL()).run("doctor", "--line-limits", "none.yaml").code)
	})
}

// wrongClock is a Redis whose clock is ahead.
type wrongClock struct {
	redis.UniversalClient
	ahead time.Duration
}

func (c wrongClock) Time(context.Context) *redis.TimeCmd {
	return redis.NewTimeCmdResult(time.Now().Add(c.ahead), nil)
}

// TestWrongKindOfRedis: a URL that leads to something else says so, and how to write it.
func TestWrongKindOfRedis(t *testing.T) {
	t.Parallel()
	single := redistest.Start(t)
	cluster := redistest.StartCluster(t)
	sentinels := redistest.StartSentinels(t)
	tls := redistest.StartTLS(t, redistest.NewCertificates(t), "--tls-auth-clients", "no")
	for name, c := range map[string]struct{ url, says, hint string }{
		"a Cluster's node":   {"redis://" + cluster.Addrs()[0], "node of a Redis Cluster", "redis-cluster://"},
		"no Cluster":         {"redis-cluster://" + single.Addr, "isn't a Redis Cluster", "redis://"},
		"a sentinel":         {"redis://" + sentinels.Addrs[0], "a sentinel", "redis-sentinel://"},
		"no sentinel":        {"redis-sentinel://" + single.Addr + "/main", "sentinels", "no sentinel"},
		"no such master":     {"redis-sentinel://" + sentinels.Addrs[0] + "/main", "sentinels", "no master of this name"},
		"no sentinel at all": {"redis-sentinel://127.0.0.1:1/main", "sentinels", "names the sentinels"},
		"an unknown CA":      {"rediss://" + tls.Addr, "certificate", "?ca=FILE"},
		"no TLS":             {"redis://" + tls.Addr, tls.Addr, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := cli{t, map[string]string{"REDIS_URL": c.url}}.run("task", "list")
			assert.Equal(t, 1, o.code)
			error, hint, _ := strings.Cut(o.stderr, "hint:")
			assert.Contains(t, error, c.says)
			assert.Contains(t, hint, c.hint, fmt.Sprint(o.stderr))
		})
	}
}
