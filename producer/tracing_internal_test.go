package producer

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

func TestTaskSpanIsFreeWithoutATracer(t *testing.T) {
	c, ctx := &Client{}, t.Context()
	var push tasks.Task = tasks.Push{To: "U0123456789abcdef0123456789abcdef", Messages: []lineapi.Message{lineapi.Text("hello")}}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, span := c.taskSpan(ctx, push)
		enqueued(span, Ticket{}, nil)
	}))
}
