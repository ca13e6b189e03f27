package tasks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/tasks"
)

func TestQueueNames(t *testing.T) {
	assert.Equal(t, "lineq-urgent", tasks.LineUrgent.Queue("shop"))
	assert.Equal(t, "lineq-push-shop", tasks.LinePush.Queue("shop"))
	assert.Equal(t, "lineq-bulk-shop", tasks.LineBulk.Queue("shop"))
	assert.Equal(t, "lineq-control", tasks.LineControl.Queue("shop"))
	assert.Equal(t, "lineq-slow", tasks.LineSlow.Queue("shop"))
}

func TestParseQueueIsTheReverseOfQueue(t *testing.T) {
	roundTrip := func(t assert.TestingT, channel string) {
		for _, line := range tasks.Lines() {
			l, c, ok := tasks.ParseQueue(line.Queue(channel))
			assert.True(t, ok)
			assert.Equal(t, line, l)
			if line.PerChannel() {
				assert.Equal(t, channel, c)
			} else {
				assert.Empty(t, c)
			}
		}
	}
	for _, channel := range []string{"default", "push-x", "bulk-push-", "a.b_c-1", "-", "urgent", "lineq-push-x"} {
		roundTrip(t, channel)
	}
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`).Draw(t, "channel"))
	})
}

func TestParseQueueKnowsWhatIsntOurs(t *testing.T) {
	for _, queue := range []string{
		"", "default", "lineq", "lineq-", "lineq-push", "lineq-push-", "lineq-bulk-a b", "lineq-urgent-x", "lineq-slow-",
		"Lineq-urgent", "lineq-push-{x}", "xlineq-urgent",
	} {
		_, _, ok := tasks.ParseQueue(queue)
		assert.False(t, ok, queue)
	}
}
