package worker_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

func TestLiving(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		living := func() []worker.Alive {
			all, err := worker.Living(t.Context(), rdb)
			require.NoError(t, err)
			return all
		}
		assert.Empty(t, living())
		stop := s.work(t, func(cfg *worker.Config) { cfg.Version = "v1.2.3" })
		awaitLine(t, s.logs, "worker started", 1)
		all := living()
		require.Len(t, all, 1)
		host, _ := os.Hostname()
		assert.Equal(t, worker.Alive{ID: all[0].ID, Host: host, PID: strconv.Itoa(os.Getpid()), Version: "v1.2.3"}, all[0])

		now, err := rdb.Time(t.Context()).Result()
		require.NoError(t, err)
		silent := redis.Z{Member: "silent", Score: float64(now.UnixMilli() - 5000)}
		require.NoError(t, rdb.ZAdd(t.Context(), "lineq:{workers}", silent).Err())
		assert.Len(t, living(), 1, "who has been silent for so long isn't counted")
		stop()
		assert.Empty(t, living())
	})
}
