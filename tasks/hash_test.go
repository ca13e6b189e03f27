package tasks_test

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

func hash(t *testing.T, e tasks.Envelope) string {
	t.Helper()
	h, err := e.Hash()
	require.NoError(t, err)
	return hex.EncodeToString(h[:])
}

// decoded is an envelope whose task stood in a payload as the given JSON.
func decoded(t *testing.T, k tasks.Kind, task string) tasks.Envelope {
	t.Helper()
	e, err := tasks.Decode(k, fmt.Appendf(nil, `{"v":1,"channel":"default","id":"a","task":%s}`, task))
	require.NoError(t, err)
	return e
}

func TestHashIsTheSame(t *testing.T) {
	const plain = `{"to":"` + user + `","messages":[{"type":"text","text":"あ<b>","n":10}]}`
	want := hash(t, decoded(t, tasks.KindPush, plain))
	for name, task := range map[string]string{
		"for another order of fields":     `{"messages":[{"n":10,"text":"あ<b>","type":"text"}],"to":"` + user + `"}`,
		"for other escapes":               `{"to":"` + user + `","messages":[{"type":"t\u0065xt","text":"\u3042\u003cb\u003e","n":10}]}`,
		"for white space":                 "{ \"to\" : \"" + user + "\",\n\"messages\":[ {\"type\":\"text\", \"text\":\"あ<b>\",\t\"n\": 10} ] }",
		"for white space behind the task": plain + "\n ",
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, want, hash(t, decoded(t, tasks.KindPush, task))) })
	}
	t.Run("before and after the queue", func(t *testing.T) {
		for _, task := range everyTask {
			e := envelope(task)
			b, err := e.Encode()
			require.NoError(t, err)
			after, err := tasks.Decode(task.Kind(), b)
			require.NoError(t, err)
			assert.Equal(t, hash(t, e), hash(t, after), task.Kind())
		}
	})
	t.Run("for another id, channel and time", func(t *testing.T) {
		task := tasks.Push{To: user, Messages: messages}
		a, b := envelope(task), envelope(task)
		b.ID, b.Channel, b.EnqueuedAt, b.Deadline = "other", "other", time.Now(), time.Time{}
		assert.Equal(t, hash(t, a), hash(t, b))
	})
}

func TestHashDiffers(t *testing.T) {
	text := func(s string) []lineapi.Message { return []lineapi.Message{lineapi.Text(s)} }
	seen := map[string]string{}
	differs := func(name string, e tasks.Envelope) {
		h := hash(t, e)
		assert.Empty(t, seen[h], "the same for %s", name)
		seen[h] = name
	}
	differs("a push", tasks.Envelope{Task: tasks.Push{To: user, Messages: text("a")}})
	differs("a retry key", tasks.Envelope{RetryKey: retryKey, Task: tasks.Push{To: user, Messages: text("a")}})
	differs("a text", tasks.Envelope{Task: tasks.Push{To: user, Messages: text("b")}})
	differs("upper case", tasks.Envelope{Task: tasks.Push{To: user, Messages: text("A")}})
	differs("another recipient", tasks.Envelope{Task: tasks.Push{To: user2, Messages: text("a")}})
	differs("silence", tasks.Envelope{Task: tasks.Push{To: user, Messages: text("a"), NotificationDisabled: true}})
	differs("a unit", tasks.Envelope{Task: tasks.Push{To: user, Messages: text("a"), CustomAggregationUnits: []string{unit}}})
	differs("two messages", tasks.Envelope{Task: tasks.Push{To: user, Messages: append(text("a"), text("b")...)}})
	differs("their order", tasks.Envelope{Task: tasks.Push{To: user, Messages: append(text("b"), text("a")...)}})
	differs("another kind with the same fields", tasks.Envelope{Task: tasks.Profile{UserID: user}})
	differs("and another", tasks.Envelope{Task: tasks.LinkToken{UserID: user}})
	differs("an unknown field", decoded(t, tasks.KindProfile, `{"userId":"`+user+`","new":1}`))
	differs("a large number", decoded(t, tasks.KindProfile, `{"userId":"`+user+`","new":12345678901234567890}`))
	differs("its neighbour", decoded(t, tasks.KindProfile, `{"userId":"`+user+`","new":12345678901234567891}`))
	for _, task := range everyTask {
		differs(string(task.Kind()), envelope(task))
	}
}

// Records keep hashes for days, so a new version must not make others.
func TestHashIsFixed(t *testing.T) {
	assert.Equal(t, "c97f464c73810d1a4884d9d5b30c3d071a18025a69e567b5a9801c889d559928", hash(t, envelope(tasks.Push{To: user, Messages: messages})))
}

func TestHashFailsOnTheZeroMessage(t *testing.T) {
	_, err := tasks.Envelope{Task: tasks.Push{Messages: make([]lineapi.Message, 1)}}.Hash()
	assert.ErrorContains(t, err, "encode push: ")
}
