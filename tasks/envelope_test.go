package tasks_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

var update = flag.Bool("update", false, "write the golden payloads of the present version")

// The golden payloads of every version that was ever released must decode for ever; those of the present version are
// also what Encode writes, byte for byte.
func TestGoldenPayloads(t *testing.T) {
	for _, task := range everyTask {
		want := envelope(task)
		name := string(task.Kind()) + ".json"
		present := filepath.Join("testdata", fmt.Sprintf("v%d", tasks.Version), name)
		if *update {
			b, err := want.Encode()
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Dir(present), 0o755))
			require.NoError(t, os.WriteFile(present, b, 0o644))
		}
		files, err := filepath.Glob(filepath.Join("testdata", "v*", name))
		require.NoError(t, err)
		require.Contains(t, files, present)
		for _, file := range files {
			t.Run(filepath.ToSlash(file), func(t *testing.T) {
				golden, err := os.ReadFile(file)
				require.NoError(t, err)
				got, err := tasks.Decode(task.Kind(), golden)
				require.NoError(t, err)
				equal(t, want, got)
				if file == present {
					b, err := want.Encode()
					require.NoError(t, err)
					assert.Equal(t, string(golden), string(b))
				}
			})
		}
	}
}

func TestMessagesPassUnchanged(t *testing.T) {
	for name, raw := range map[string]string{
		"no escapes for HTML":          `{"type":"text","text":"<b>&amp;</b>"}`,
		"escapes that were there":      `{"type":"text","text":"\u003c\u3042\/\ud83d\udce6"}`,
		"a type of tomorrow":           `{"type":"hologram","depth":3}`,
		"unknown fields in any order":  `{"z":1,"type":"text","a":{"y":[],"x":null},"text":"t"}`,
		"numbers as they were written": `{"type":"flex","n":[1.0,1e3,-0,12345678901234567890]}`,
		"a line separator":             "{\"type\":\"text\",\"text\":\"\u2028\"}",
		"a field that stands twice":    `{"type":"text","text":"a","text":"b"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := envelope(tasks.Push{To: user, Messages: []lineapi.Message{message(raw)}}).Encode()
			require.NoError(t, err)
			assert.Contains(t, string(b), raw)
			e, err := tasks.Decode(tasks.KindPush, b)
			require.NoError(t, err)
			got, err := e.Task.(tasks.Push).Messages[0].MarshalJSON()
			require.NoError(t, err)
			assert.Equal(t, raw, string(got))
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	push := envelope(tasks.Push{To: user, Messages: messages})
	for name, c := range map[string]struct {
		change func(e *tasks.Envelope)
		want   string
	}{
		"a channel that no key can carry": {func(e *tasks.Envelope) { e.Channel = "a}b" }, "channel name"},
		"an id that no key can carry":     {func(e *tasks.Envelope) { e.ID = "" }, "id "},
		"no task":                         {func(e *tasks.Envelope) { e.Task = nil }, "no task"},
		"an unknown kind":                 {func(e *tasks.Envelope) { e.Task = unheardOf{} }, `unknown kind of task "telepathy"`},
		"the zero message": {func(e *tasks.Envelope) {
			e.Task = tasks.Push{To: user, Messages: make([]lineapi.Message, 1)}
		}, "encode push: "},
		"more than Redis should carry": {func(e *tasks.Envelope) {
			e.Task = tasks.PublishRichMenu{Menu: menu, Image: make([]byte, tasks.MaxPayload)}
		}, "at most 4194304 can be queued"},
	} {
		t.Run(name, func(t *testing.T) {
			e := push
			c.change(&e)
			_, err := e.Encode()
			assert.ErrorContains(t, err, c.want)
		})
	}
}

type unheardOf struct{ tasks.ClearDefaultRichMenu }

func (unheardOf) Kind() tasks.Kind { return "telepathy" }

func TestTheLargestRichMenuImageFits(t *testing.T) {
	image := append([]byte("\xff\xd8\xff"), make([]byte, lineapi.MaxRichMenuImageBytes-3)...)
	task := tasks.PublishRichMenu{Menu: menu, Image: image, ImageType: "image/jpeg"}
	require.NoError(t, task.Check())
	_, err := envelope(task).Encode()
	assert.NoError(t, err)
}

const secret = "my bank PIN is 4711"

func TestDecodeRefuses(t *testing.T) {
	const head = `"channel":"default","id":"a","task":`
	const task = `{"to":"` + user + `","messages":[{"type":"text","text":"` + secret + `"}]}`
	for name, c := range map[string]struct {
		kind    tasks.Kind // zero: push
		payload string
		is      error
		want    string
	}{
		"an unknown kind": {
			kind: "telepathy", payload: `{"v":1,` + head + task + `}`, is: tasks.ErrUnknownKind,
			want: `unknown kind of task "telepathy"`,
		},
		"a newer version": {
			payload: `{"v":2,` + head + task + `}`, is: tasks.ErrNewerVersion,
			want: "decode push: payload of a newer version: it is of version 2, this program reads up to 1",
		},
		"a newer version of another shape": {
			payload: `{"channel":{"name":"default"},"id":7,"task":[` + task + `],"deadline":"soon","v":3}`,
			is:      tasks.ErrNewerVersion, want: "it is of version 3",
		},
		"no version":           {payload: `{` + head + task + `}`, want: "no version"},
		"version 0":            {payload: `{"v":0,` + head + task + `}`, want: "no version"},
		"a version in words":   {payload: `{"v":"` + secret + `",` + head + task + `}`, want: `field "v" at byte`},
		"nothing":              {payload: ``, want: "malformed JSON at byte 0"},
		"an array":             {payload: `["` + secret + `"]`, want: "can't be read into"},
		"half a payload":       {payload: `{"v":1,` + head + task, want: "malformed JSON at byte"},
		"no channel":           {payload: `{"v":1,"id":"a","task":` + task + `}`, want: "channel name"},
		"no id":                {payload: `{"v":1,"channel":"a","task":` + task + `}`, want: "id "},
		"no task":              {payload: `{"v":1,"channel":"a","id":"a"}`, want: "no JSON object in the payload's field task"},
		"null for a task":      {payload: `{"v":1,` + head + `null}`, want: "no JSON object"},
		"a string for a task":  {payload: `{"v":1,` + head + `"` + secret + `"}`, want: "no JSON object"},
		"a deadline in words":  {payload: `{"v":1,"deadline":"` + secret + `",` + head + task + `}`, want: "malformed JSON"},
		"a field of its type":  {payload: `{"v":1,` + head + `{"to":["` + secret + `"]}}`, want: `field "to" at byte`},
		"a message of no type": {payload: `{"v":1,` + head + `{"messages":[{"text":"` + secret + `"}]}}`, want: "the message has no type"},
		"a string for a message": {
			payload: `{"v":1,` + head + `{"messages":["` + secret + `"]}}`, want: "the message is not a JSON object",
		},
		"an image that is no base64": {
			kind: tasks.KindPublishRichMenu, payload: `{"v":1,` + head + `{"image":"` + secret + `"}}`, want: "malformed JSON",
		},
		"a rich menu to publish that isn't there": {
			kind: tasks.KindPublishRichMenu, payload: `{"v":1,` + head + `{"image":""}}`, want: "a part of it is missing",
		},
		"more than was ever written": {
			payload: `{"v":1,` + head + task + strings.Repeat(" ", tasks.MaxPayload) + `}`, want: "at most 4194304 are read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tasks.Decode(cmp.Or(c.kind, tasks.KindPush), []byte(c.payload))
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), secret)
			for _, foreign := range []error{tasks.ErrUnknownKind, tasks.ErrNewerVersion} {
				assert.Equal(t, foreign == c.is, errors.Is(err, foreign), "%v", foreign)
			}
		})
	}
}

// A payload of this version may hold fields that joined later: they are passed over.
func TestDecodePassesOverUnknownFields(t *testing.T) {
	e, err := tasks.Decode(tasks.KindProfile, []byte(
		`{"v":1,"channel":"default","id":"a","new":{},"task":{"userId":"`+user+`","fields":["status"]}}`))
	require.NoError(t, err)
	equal(t, tasks.Envelope{Channel: "default", ID: "a", Task: tasks.Profile{UserID: user}}, e)
	b, err := e.Encode()
	require.NoError(t, err)
	assert.JSONEq(t, `{"v":1,"channel":"default","id":"a","task":{"userId":"`+user+`"}}`, string(b), "no time that wasn't given")
}

// The queue holds what callers gave; an access token is never among it.
func TestPayloadFields(t *testing.T) {
	b, err := envelope(tasks.ClearDefaultRichMenu{}).Encode()
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(b, &fields))
	assert.Equal(t, map[string]any{
		"v": float64(tasks.Version), "channel": "shop.jp_1-a", "id": "order-42:shipped@2026+1=x", "retry_key": retryKey,
		"enqueued_at": "2026-03-01T09:00:00.123456789Z", "deadline": "2026-03-02T09:00:00Z", "task": map[string]any{},
	}, fields)
}
