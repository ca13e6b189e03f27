package asynqdash

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

func TestPayload(t *testing.T) {
	reply := tasks.Envelope{Channel: "c", ID: "r", Task: tasks.Reply{
		ReplyToken: "reply-token-of-somebody", Messages: []lineapi.Message{lineapi.Text("hello")},
	}}
	b, err := reply.Encode()
	require.NoError(t, err)
	for _, shown := range []bool{false, true} {
		got := formatter{shown}.payload("reply", b)
		assert.NotContains(t, got, "reply-token-of-somebody")
		assert.Equal(t, shown, strings.Contains(got, "hello"))
	}
	job, err := campaign.Job{Channel: "c", ID: "spring", Lane: 2}.Encode()
	require.NoError(t, err)
	assert.Contains(t, formatter{}.payload(string(campaign.KindLane), job), `"campaign": "spring"`)
	assert.Equal(t, "(3 bytes)", formatter{true}.payload("theirs", []byte("abc")))
	assert.Equal(t, "(3 bytes)", formatter{true}.payload("push", []byte("abc")))
	assert.Equal(t, "(3 bytes)", formatter{true}.result("push", []byte("abc")))
}

// FuzzPayload puts a text wherever one can stand, and looks for it.
func FuzzPayload(f *testing.F) {
	const text = "SECRETSECRET"
	for _, s := range []string{
		`{"v":1,"channel":"c","id":"i","task":{"to":"@","messages":[{"type":"text","text":"@"}]}}`,
		`{"v":1,"channel":"c","id":"i","task":{"to":"U","messages":[{"type":"@","altText":"@"}]}}`,
		`{"v":1,"channel":"c","id":"i","@":"@","task":{"replyToken":"@","messages":[]}}`, `@`, `{"v":9}`,
	} {
		for _, kind := range []string{"push", "reply", "multicast", "campaign.lane", "theirs"} {
			f.Add(kind, s)
		}
	}
	f.Fuzz(func(t *testing.T, kind, s string) {
		if strings.Contains(kind, text) {
			t.Skip()
		}
		with := strings.ReplaceAll(s, "@", text)
		// Names of channels, tasks and campaigns are shown, and are nobody's text.
		e, err := tasks.Decode(tasks.Kind(kind), []byte(with))
		j, errJob := campaign.DecodeJob([]byte(with))
		if err == nil && strings.Contains(e.Channel+e.ID, text) || errJob == nil && strings.Contains(j.Channel+j.ID, text) {
			t.Skip()
		}
		assert.NotContains(t, formatter{}.payload(kind, []byte(with)), text)
	})
}

func TestErrorTexts(t *testing.T) {
	const id = "U0123456789abcdef0123456789abcdef"
	got := string(withoutIDs([]byte(`{"id":"c:` + id + `","error_message":"LINE: \"` + id + `\" is unknown"}`)))
	assert.Equal(t, `{"id":"c:`+id+`","error_message":"LINE: \"U0123…cdef\" is unknown"}`, got)
}
