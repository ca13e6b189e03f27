package tasks_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

// A key that changed between two versions would send a message twice.
func TestRetryKeyIsFixed(t *testing.T) {
	assert.Equal(t, "bd93cbff-6f3e-4eea-b14c-87342b9ec3da", tasks.RetryKey("default", endpoint.PushMessage, "order-42", "", 0))
}

func TestRetryKeyIsAVersion4UUID(t *testing.T) {
	for generation := range 100 {
		key := tasks.RetryKey("default", endpoint.Multicast, "id", "3/0", generation)
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, key)
		assert.NoError(t, lineapi.CheckRetryKey(key))
	}
}

func TestRetryKeyTellsRequestsApart(t *testing.T) {
	seen := map[string]string{}
	differs := func(name, key string) {
		assert.Empty(t, seen[key], "the same for %s", name)
		seen[key] = name
	}
	differs("one", tasks.RetryKey("ab", endpoint.PushMessage, "c", "d", 0))
	differs("another channel", tasks.RetryKey("x", endpoint.PushMessage, "c", "d", 0))
	differs("another endpoint", tasks.RetryKey("ab", endpoint.Multicast, "c", "d", 0))
	differs("another id", tasks.RetryKey("ab", endpoint.PushMessage, "x", "d", 0))
	differs("another part", tasks.RetryKey("ab", endpoint.PushMessage, "c", "x", 0))
	differs("another generation", tasks.RetryKey("ab", endpoint.PushMessage, "c", "d", 1))
	differs("id and part cut elsewhere", tasks.RetryKey("ab", endpoint.PushMessage, "cd", "", 0))
	differs("and on the other side", tasks.RetryKey("ab", endpoint.PushMessage, "", "cd", 0))
	differs("a channel cut elsewhere", tasks.RetryKey("a", endpoint.Endpoint{Operation: "bpushMessage"}, "c", "d", 0))
	differs("generation 127", tasks.RetryKey("ab", endpoint.PushMessage, "c", "d", 127))
	differs("generation 128", tasks.RetryKey("ab", endpoint.PushMessage, "c", "d", 128))
}
