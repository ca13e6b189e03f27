package record_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// Names of keys show up in monitoring, slow logs and dumps, records and delivery logs in dashboards: none of them holds
// anything of what a task says or to whom. That stands in payloads and in the data of lookups only.
func TestNothingOfATaskOutsideItsPayload(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		q, err := producer.New(producer.Config{Redis: rdb})
		require.NoError(t, err)
		store := record.New(rdb, record.Retention{})
		var secrets []string
		for _, k := range tasks.Kinds() {
			payload, err := os.ReadFile(filepath.Join("..", "testdata", "v1", string(k)+".json"))
			require.NoError(t, err)
			e, err := tasks.Decode(k, payload)
			require.NoError(t, err)
			secrets = append(secrets, contents(t, e.Task)...)

			_, err = q.Enqueue(ctx, e.Task, producer.ID("queued-"+string(k)))
			require.NoError(t, err)
			_, err = q.Enqueue(ctx, e.Task)
			require.NoError(t, err)

			hash, err := e.Hash()
			require.NoError(t, err)
			for evidence, id := range map[record.Evidence]string{
				record.Accepted: "sent-", record.Refused: "failed-", record.Lost: "unknown-",
			} {
				ref := record.Ref{Channel: "default", ID: id + string(k)}
				b, err := store.Begin(ctx, record.Attempt{Ref: ref, Kind: k, Queue: "lineq-urgent", Hash: hash, Timeout: timeout})
				require.NoError(t, err)
				d, err := store.End(ctx, b, ref, record.Answer{Evidence: evidence, Final: true, Reason: lineapi.Invalid})
				require.NoError(t, err)
				require.NoError(t, store.KeepPayload(ctx, ref, payload))
				require.NoError(t, store.KeepData(ctx, ref, payload, 0))
				require.NoError(t, store.Log(ctx, record.Line{Channel: "default", ID: ref.ID, Kind: k, Outcome: d.Outcome}))
			}
		}
		require.NotEmpty(t, secrets)

		keys, err := rdb.Keys(ctx, "*").Result()
		require.NoError(t, err)
		require.Greater(t, len(keys), 12*len(tasks.Kinds()))
		holdsNone := func(where, text string) {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					assert.Fail(t, "a secret outside payloads", "%q in %s", secret, where)
				}
			}
		}
		records := 0
		for _, key := range keys {
			holdsNone("the key "+key, key)
			if strings.HasPrefix(key, "lineq:") && rdb.Type(ctx, key).Val() == "hash" {
				records++
				for field, value := range rdb.HGetAll(ctx, key).Val() {
					holdsNone(key+" "+field, value)
				}
			}
		}
		assert.Equal(t, 4*len(tasks.Kinds()), records)
		lines, err := rdb.XRange(ctx, "lineq:{default}:log", "-", "+").Result()
		require.NoError(t, err)
		require.Len(t, lines, 3*len(tasks.Kinds()))
		for _, l := range lines {
			for field, value := range l.Values {
				holdsNone("the log's "+field, value.(string))
			}
		}
	})
}

// contents lists what of a task could be recognised: every string of it that is longer than a word of LINE's API.
func contents(t *testing.T, task tasks.Task) []string {
	raw, err := json.Marshal(task)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	var found []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= 9 {
				found = append(found, v)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return found
}
