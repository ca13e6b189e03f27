package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/tasks/redistest"
)

func TestHealthSaysItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		h := &health{log: zap.New(core)}
		asynqs := asynqLog{zap.New(core).Sugar(), h}
		news := func() (fresh []string) {
			for _, e := range logs.TakeAll() {
				if e.Level > zapcore.DebugLevel {
					fresh = append(fresh, e.Message)
				}
			}
			return fresh
		}
		const away, back = "redis is away: sends wait until it is back", "redis is back"

		asynqs.Warn("Retry exhausted for task id=a")
		assert.Equal(t, []string{"Retry exhausted for task id=a"}, news(), "while all is well, everything is said")

		h.missed("connection refused")
		h.missed("connection refused")
		for range 1000 {
			asynqs.Error("Dequeue error: EOF")
			asynqs.Warn("Could not remove task id=a; Will retry syncing")
			h.warn("can't look at the queues", errors.New("i/o timeout"))
		}
		assert.Equal(t, []string{away}, news())
		asynqs.Error("recovering from panic. See the stack trace below for details:")
		assert.Len(t, news(), 1, "a panic is never hushed up")

		time.Sleep(42 * time.Second) // the bubble's time
		h.answered()
		h.answered()
		lines := logs.FilterMessage(back).All()
		require.Len(t, lines, 1)
		assert.Equal(t, 42*time.Second, lines[0].ContextMap()["away_for"])
		assert.Equal(t, []string{back}, news())
		asynqs.Error("Failed to extend lease for tasks [a]: EOF")
		assert.Empty(t, news(), "what its absence broke may be told of for a moment longer")

		time.Sleep(settling)
		asynqs.Error("Retry exhausted for task id=b")
		assert.Len(t, news(), 1)
		for _, line := range []string{
			"Dequeue error: dial tcp 127.0.0.1:6379: connect: connection refused", "LOADING Redis is loading the dataset",
			"READONLY You can't write against a read only replica.", "read tcp: i/o timeout", "EOF",
		} {
			asynqs.Error(line)
			asynqs.Error(line)
			h.answered()
			seen := news()
			assert.Equal(t, []string{away, back}, seen, "known by the line %q", line)
			time.Sleep(settling)
		}
		h.warn("can't look at the queues", errors.New("WRONGTYPE Operation against a key"))
		assert.Equal(t, []string{"can't look at the queues"}, news())
	})
}

func TestLookout(t *testing.T) {
	t.Parallel()
	t.Run("of a single Redis, with its name and its password", func(t *testing.T) {
		m := miniredis.RunT(t)
		m.RequireAuth("secret")
		rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), Password: "secret", DB: 3, MaxRetries: 40})
		defer rdb.Close()
		l := newLookout(rdb)
		require.NoError(t, l.Set(t.Context(), "a", "1", 0).Err())
		assert.Equal(t, "1", rdb.Get(t.Context(), "a").Val())
		l.close()
		require.Error(t, l.Ping(t.Context()).Err())
		require.NoError(t, rdb.Ping(t.Context()).Err(), "the worker's own stays open")
		assert.Equal(t, 40, rdb.Options().MaxRetries)
	})
	t.Run("of sentinels", func(t *testing.T) {
		s := redistest.StartSentinels(t)
		l := newLookout(s.Client(t))
		defer l.close()
		require.NoError(t, l.Ping(t.Context()).Err())
	})
	t.Run("of a cluster", func(t *testing.T) {
		l := newLookout(redistest.StartCluster(t).Client(t))
		defer l.close()
		require.NoError(t, l.Set(t.Context(), "a", "1", 0).Err())
	})
	t.Run("of what isn't known: itself", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		l := newLookout(struct{ redis.UniversalClient }{rdb})
		l.close()
		require.NoError(t, rdb.Ping(t.Context()).Err())
	})
}

// told is a Redis that says of itself what a test wants.
type told struct {
	redis.UniversalClient
	info map[string]string // by section
	save any               // what CONFIG GET save says: a string, or an error
}

func (c told) Info(_ context.Context, section ...string) *redis.StringCmd {
	text, ok := c.info[section[0]]
	if !ok {
		return redis.NewStringResult("", errors.New("NOPERM"))
	}
	return redis.NewStringResult(text, nil)
}

func (c told) ConfigGet(context.Context, string) *redis.MapStringStringCmd {
	if s, ok := c.save.(string); ok {
		return redis.NewMapStringStringResult(map[string]string{"save": s}, nil)
	}
	return redis.NewMapStringStringResult(nil, errors.New("NOPERM"))
}

func TestRisks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		redis told
		want  string // a part of the only risk; empty: none
	}{
		{"a good one", told{info: map[string]string{
			"server": "redis_version:7.0.15\r\n", "memory": "maxmemory_policy:noeviction\r\n", "persistence": "aof_enabled:1\r\n",
		}}, ""},
		{"an old one", told{info: map[string]string{"server": "# Server\r\nredis_version:6.0.16\r\n"}}, "6.0.16 is older than 6.2"},
		{"the oldest good one", told{info: map[string]string{"server": "redis_version:6.2.0\r\n"}}, ""},
		{"tasks may be evicted", told{info: map[string]string{"memory": "maxmemory_policy:allkeys-lru\r\n"}}, "never sent"},
		{"records may be evicted", told{info: map[string]string{"memory": "maxmemory_policy:volatile-lru\r\n"}}, "sent twice"},
		{"nothing on disk", told{info: map[string]string{"persistence": "aof_enabled:0\r\n"}, save: ""}, "every message that waits is lost"},
		{"RDB", told{info: map[string]string{"persistence": "aof_enabled:0\r\n"}, save: "3600 1"}, ""},
		{"CONFIG is forbidden", told{info: map[string]string{"persistence": "aof_enabled:0\r\n"}}, ""},
		{"INFO is forbidden", told{save: ""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			risks := risksOf(t.Context(), c.redis)
			if c.want == "" {
				assert.Empty(t, risks)
				return
			}
			require.Len(t, risks, 1)
			assert.Contains(t, risks[0], c.want)
		})
	}
	t.Run("a real one", func(t *testing.T) {
		server := redistest.Start(t, "--appendonly", "no", "--maxmemory-policy", "volatile-ttl")
		assert.Len(t, risksOf(t.Context(), server.Client(t)), 2)
	})
	t.Run("a real cluster, each risk once", func(t *testing.T) {
		rdb := redistest.StartCluster(t).Client(t)
		assert.Empty(t, risksOf(t.Context(), rdb))
		require.NoError(t, rdb.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
			return node.ConfigSet(ctx, "maxmemory-policy", "allkeys-lfu").Err()
		}))
		assert.Len(t, risksOf(t.Context(), rdb), 1)
	})
	t.Run("miniredis says nothing", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		assert.Empty(t, risksOf(t.Context(), rdb))
	})
}
