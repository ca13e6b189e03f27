package redistest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

func TestAServerKeepsItsDataWhenKilled(t *testing.T) {
	s := redistest.Start(t)
	require.NoError(t, s.Client(t).Set(t.Context(), "a", "1", 0).Err())
	s.Kill()
	s.Kill() // twice is once
	s.Launch(t)
	assert.Equal(t, "1", s.Client(t).Get(t.Context(), "a").Val())

	options, err := redis.ParseURL(s.URL())
	require.NoError(t, err)
	assert.Equal(t, s.Addr, options.Addr)
}

func TestEachStartsEmpty(t *testing.T) {
	for range 2 {
		redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
			assert.Zero(t, rdb.DBSize(t.Context()).Val())
			require.NoError(t, rdb.Set(t.Context(), "a", "1", 0).Err())
		})
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	require.NoError(t, master.Client(t).Set(t.Context(), "a", "1", 0).Err())
	replica := redistest.StartReplica(t, master)
	assert.Equal(t, "1", replica.Client(t).Get(t.Context(), "a").Val())
	require.NoError(t, master.Client(t).Set(t.Context(), "b", "1", 0).Err())
	require.Eventually(t, func() bool { return replica.Client(t).Get(t.Context(), "b").Val() == "1" },
		time.Minute, 10*time.Millisecond)
}

func TestSentinelsFailOver(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinels(t)
	rdb := s.Client(t)
	require.NoError(t, rdb.Set(t.Context(), "a", "1", 0).Err())
	conn := rdb.(*redis.Client).Conn()
	require.NoError(t, conn.Set(t.Context(), "b", "1", 0).Err())
	require.EqualValues(t, 2, conn.Wait(t.Context(), 2, 10*time.Second).Val())
	require.NoError(t, conn.Close())

	killed := s.KillMaster(t)
	require.Eventually(t, func() bool { return rdb.Set(t.Context(), "c", "1", 0).Err() == nil }, time.Minute, time.Millisecond)
	assert.Equal(t, "1", rdb.Get(t.Context(), "b").Val())
	assert.NotSame(t, killed, s.Master(t))
	killed.Launch(t)
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, ReadTimeout: 50 * time.Millisecond})
	t.Cleanup(func() { _ = rdb.Close() })
	require.NoError(t, rdb.Ping(t.Context()).Err())
	s.Freeze()
	require.Error(t, rdb.Incr(t.Context(), "a").Err())
	s.Thaw()
	require.Eventually(t, func() bool { return rdb.Get(t.Context(), "a").Val() == "1" }, time.Minute, time.Millisecond,
		"what was sent to it is done after it")
}

func TestProxy(t *testing.T) {
	t.Parallel()
	_, direct := redistest.Mini(t)
	connect := func(p *redistest.Proxy) *redis.Client {
		rdb := redis.NewClient(&redis.Options{
			Addr: p.Addr, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 100 * time.Millisecond, DialTimeout: time.Second,
		})
		t.Cleanup(func() { _ = rdb.Close() })
		require.NoError(t, rdb.Incr(t.Context(), "n").Err())
		return rdb
	}
	target := direct.(*redis.Client).Options().Addr
	t.Run("cut and healed", func(t *testing.T) {
		p := redistest.NewProxy(t, target)
		rdb := connect(p)
		p.Cut()
		require.Error(t, rdb.Ping(t.Context()).Err())
		require.Error(t, rdb.Ping(t.Context()).Err(), "a new connection is refused, too")
		p.Heal()
		require.NoError(t, rdb.Ping(t.Context()).Err())
	})
	t.Run("hanging and healed", func(t *testing.T) {
		p := redistest.NewProxy(t, target)
		rdb := connect(p)
		p.Hang()
		require.ErrorContains(t, rdb.Set(t.Context(), "late", "1", 0).Err(), "timeout")
		require.ErrorContains(t, rdb.Ping(t.Context()).Err(), "timeout", "a new connection hangs, too")
		require.Zero(t, direct.Exists(t.Context(), "late").Val())
		p.Heal()
		require.NoError(t, rdb.Ping(t.Context()).Err())
		require.Eventually(t, func() bool { return direct.Exists(t.Context(), "late").Val() == 1 }, time.Minute, time.Millisecond,
			"what was on its way arrives")
	})
	t.Run("delayed", func(t *testing.T) {
		p := redistest.NewProxy(t, target)
		rdb := connect(p)
		p.Delay(20 * time.Millisecond)
		start := time.Now()
		require.NoError(t, rdb.Ping(t.Context()).Err())
		assert.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
		p.Delay(0)
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	rdb := c.Client(t)
	masters := map[string]bool{}
	for i := range 100 {
		key := fmt.Sprint("key-", i)
		require.NoError(t, rdb.Set(t.Context(), key, "1", 0).Err())
		master, err := rdb.MasterForKey(t.Context(), key)
		require.NoError(t, err)
		masters[master.Options().Addr] = true
	}
	assert.Len(t, masters, 3)
	assert.Len(t, c.Replicas(), 3)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	c := redistest.NewCertificates(t)
	s := redistest.StartTLS(t, c)
	trusted, err := os.ReadFile(c.CA)
	require.NoError(t, err)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	require.True(t, config.RootCAs.AppendCertsFromPEM(trusted))
	ping := func() error {
		rdb := redis.NewClient(&redis.Options{Addr: s.Addr, TLSConfig: config, MaxRetries: -1, DialerRetries: 1})
		defer rdb.Close()
		return rdb.Ping(t.Context()).Err()
	}
	require.Error(t, ping(), "without a certificate of the client's")
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	require.NoError(t, err)
	config.Certificates = []tls.Certificate{pair}
	require.NoError(t, ping())
}
