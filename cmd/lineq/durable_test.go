package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestDurable(t *testing.T) {
	master := redistest.Start(t)
	redistest.StartReplica(t, master)
	c := cli{t, map[string]string{"REDIS_URL": master.URL()}}
	push := func(more ...string) []string {
		return append([]string{"send", "push", "--to", user, "--text", secretText, "--json"}, more...)
	}
	ticket := document[producer.Ticket](t, c.ok(push("--id", "order-1", "--durable", "1", "--durable-timeout", "10s")...))
	assert.False(t, ticket.Duplicate)
	c.ok("richmenu", "unlink", "--to", user, "--durable", "1", "--durable-timeout", "10s")

	o := c.run(push("--id", "order-2", "--durable", "2", "--durable-timeout", "50ms")...)
	assert.Equal(t, 1, o.code)
	assert.Empty(t, o.stdout)
	assert.Contains(t, o.stderr, "1 of 2 replicas have confirmed it in time")
	assert.Contains(t, o.stderr, "hint: repeat it with --id order-2")

	for flag, value := range map[string]string{"--durable": "-1", "--durable-timeout": "0s"} {
		o := c.run(push(flag + "=" + value)...)
		assert.Equal(t, 2, o.code)
		assert.Contains(t, o.stderr, flag)
	}
}
