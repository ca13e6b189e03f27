package worker

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
)

// answered is an error that Redis has answered.
type answered string

func (a answered) Error() string { return string(a) }
func (answered) RedisError()     {}

func TestClaims(t *testing.T) {
	type held = map[string][]string
	ok := redis.NewCmdResult("OK", nil)
	each := map[string]func(t *testing.T, c *claims){
		"a fetched task, until asynq has let go of it": func(t *testing.T, c *claims) {
			c.add("q", "1")
			c.add("q", "2")
			c.add("other", "1")
			assert.Len(t, c.snapshot()["q"], 2)
			c.acknowledged("q", ok, []any{"1", "more"})
			c.remove("q", "7")
			assert.Equal(t, held{"q": {"2"}, "other": {"1"}}, c.snapshot())
		},
		"a fetched task that is never run, until its lease is over": func(t *testing.T, c *claims) {
			c.add("q", "1")
			time.Sleep(lease)
			assert.Equal(t, held{"q": {"1"}}, c.snapshot())
			time.Sleep(time.Second)
			assert.Empty(t, c.snapshot())
		},
		"a run, however long": func(t *testing.T, c *claims) {
			c.add("q", "1")
			c.hold("q", "1", time.Time{})
			time.Sleep(time.Hour)
			assert.Equal(t, held{"q": {"1"}}, c.snapshot())
			c.ended("q", "1")
			time.Sleep(ackTime)
			assert.Equal(t, held{"q": {"1"}}, c.snapshot(), "asynq may be at it")
			time.Sleep(time.Second)
			assert.Empty(t, c.snapshot(), "asynq doesn't acknowledge when its lease is over")
		},
		"asynq lets go before the run ends": func(t *testing.T, c *claims) {
			c.hold("q", "1", time.Time{})
			c.acknowledged("q", ok, []any{"1"})
			c.ended("q", "1")
			assert.Empty(t, c.snapshot())
		},
		"an acknowledgement that fails": func(t *testing.T, c *claims) {
			c.add("q", "1")
			failed := redis.NewCmdResult(nil, errors.New("Redis is away"))
			assert.Equal(t, failed, c.acknowledged("q", failed, []any{"1"}))
			assert.Empty(t, c.snapshot(), "the task is handed on")
		},
		"a script that Redis doesn't have": func(t *testing.T, c *claims) {
			c.add("q", "1")
			missing := redis.NewCmdResult(nil, answered("NOSCRIPT No matching script"))
			assert.Equal(t, missing, c.acknowledged("q", missing, []any{"1"}))
			assert.Equal(t, held{"q": {"1"}}, c.snapshot(), "asynq asks again")
		},
	}
	for name, test := range each {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, newClaims(func() { t.Error("nothing was taken away") }))
			})
		})
	}
	t.Run("a task that was taken away", func(t *testing.T) {
		told := 0
		c := newClaims(func() { told++ })
		c.add("q", "1")
		c.add("q", "2")
		cmd := c.acknowledged("q", redis.NewCmdResult(nil, answered("NOT FOUND")), []any{"1"})
		assert.NoError(t, cmd.Err(), "asynq need not try again")
		assert.Equal(t, held{"q": {"2"}}, c.snapshot())
		assert.Equal(t, 1, told)
	})
}
