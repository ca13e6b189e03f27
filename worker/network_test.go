package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// TestOneWorkersNetworkIsCut: it is away for longer than asynq leaves its tasks to it, and another worker goes on. What it
// had in flight it has sent meanwhile, and could not say so.
func TestOneWorkersNetworkIsCut(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*redistest.Proxy){
		"connections break": (*redistest.Proxy).Cut,
		"packets get lost":  (*redistest.Proxy).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Client(t), linesim.Config{Latency: 100 * time.Millisecond})
			network := redistest.NewProxy(t, server.Addr)
			cutLog, cutLogs := observed()
			s.work(t, func(cfg *worker.Config) {
				cfg.Redis, cfg.Concurrency, cfg.Log = patient(t, network.Addr), 20, cutLog
			})
			livingLog, livingLogs := observed()
			s.work(t, func(cfg *worker.Config) {
				cfg.Redis, cfg.Concurrency, cfg.Log = patient(t, server.Addr), 5, livingLog
			})
			tickets := s.pushMany(t, 900)
			s.accepted(t, 200)
			over := time.After(35 * time.Second)
			part(network)
			awaitLine(t, cutLogs, redisIsAway, 1)
			<-over
			network.Heal()
			awaitLine(t, cutLogs, redisIsBack, 1)
			replayed := s.finish(t, tickets)
			assert.Positive(t, replayed, "nothing was in flight when it was cut off")
			assertQuiet(t, cutLogs, 1)
			assertQuiet(t, livingLogs, 0)
			assert.Positive(t, said(livingLogs, "sent"), "the other worker did nothing")
		})
	}
}
