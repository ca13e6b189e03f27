package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func says(message string) string { return `{"to":"` + user + `","messages":[` + message + `]}` }

// What LINE would refuse is refused with LINE's status and body, as the simulated LINE has them.
func TestSameRefusals(t *testing.T) {
	const (
		push      = "/v2/bot/message/push"
		multicast = "/v2/bot/message/multicast"
		link      = "/v2/bot/richmenu/bulk/link"
		loading   = "/v2/bot/chat/loading/start"
	)
	template := func(t string) string { return says(`{"type":"template","altText":"x","template":` + t + `}`) }
	for name, r := range map[string]request{
		"no token":                {http.MethodPost, push, hello, map[string]string{"Content-Type": "application/json"}},
		"another scheme":          post(push, hello, "Authorization", "Basic "+token),
		"an unknown token":        post(push, hello, "Authorization", "Bearer unknown"),
		"no content type":         post(push, hello, "Content-Type", ""),
		"another content type":    post(push, hello, "Content-Type", "text/plain"),
		"a charset":               post(push, "{", "Content-Type", "application/json; charset=utf-8"),
		"no body":                 post(push, ""),
		"no JSON":                 post(push, "hello"),
		"broken JSON":             post(push, "{\n  \"to\": nobody}"),
		"cut JSON":                post(push, hello[:len(hello)-1]),
		"more than JSON":          post(push, hello+" x"),
		"an array":                post(push, "[]"),
		"an unknown property":     post(push, "{\"messages\":[],\n \"subject\":1}"),
		"another call's property": post(multicast, `{"replyToken":"x","messages":[]}`),
		"no recipient":            post(push, `{"messages":[{"type":"text","text":"x"}]}`),
		"a recipient of null":     post(push, `{"to":null,"messages":[{"type":"text","text":"x"}]}`),
		"a recipient that's none": post(push, strings.ReplaceAll(hello, user, "somebody")),
		"a recipient in capitals": post(push, strings.ReplaceAll(hello, user, strings.ToUpper(user))),
		"a list of recipients":    post(push, strings.ReplaceAll(hello, `"`+user+`"`, `["`+user+`"]`)),
		"no messages":             post(push, `{"to":"`+user+`"}`),
		"no message":              post(push, says("")),
		"six messages":            post(push, says(strings.TrimSuffix(strings.Repeat(`{"type":"text","text":"x"},`, 6), ","))),
		"a message, not a list":   post(push, `{"to":"`+user+`","messages":{"type":"text","text":"x"}}`),
		"a text for a message":    post(push, says(`"hello"`)),
		"a message without type":  post(push, says(`{"text":"x"}`)),
		"an empty text":           post(push, says(`{"type":"text","text":""}`)),
		"no text":                 post(push, says(`{"type":"text"}`)),
		"a number for a text":     post(push, says(`{"type":"text","text":1}`)),
		"a long text":             post(push, says(`{"type":"text","text":"`+strings.Repeat("x", 5001)+`"}`)),
		"two that are wrong":      post(push, says(`{"type":"text","text":""},{"type":"image"}`)),
		"an http image":           post(push, says(`{"type":"image","originalContentUrl":"http://x.test/a","previewImageUrl":"https://x.test/b"}`)),
		"silence that is a word":  post(push, strings.Replace(hello, "{", `{"notificationDisabled":"yes",`, 1)),
		"a template's empty text": post(push, template(`{"type":"confirm","text":"","actions":[{"type":"message","label":"a","text":"b"},{"type":"message","label":"a","text":"b"}]}`)),
		"a template's scheme":     post(push, template(`{"type":"buttons","text":"x","actions":[{"type":"uri","label":"a","uri":"ftp://x.test"}]}`)),
		"a template's long text":  post(push, template(`{"type":"confirm","text":"`+strings.Repeat("x", 241)+`","actions":[{"type":"message","label":"a","text":"b"},{"type":"message","label":"a","text":"b"}]}`)),
		"a retry key that's none": post(push, hello, "X-Line-Retry-Key", "4711"),
		"a retry key of a reply":  post("/v2/bot/message/reply", `{"replyToken":"x","messages":[{"type":"text","text":"x"}]}`, "X-Line-Retry-Key", key),
		"an empty reply token":    post("/v2/bot/message/reply", `{"replyToken":"","messages":[{"type":"text","text":"x"}]}`),
		"a multicast to none":     post(multicast, `{"to":[],"messages":[{"type":"text","text":"x"}]}`),
		"a multicast to one":      post(multicast, hello),
		"a multicast to a group":  post(multicast, `{"to":["`+user+`","`+group+`"],"messages":[{"type":"text","text":"x"}]}`),
		"a multicast to a number": post(multicast, `{"to":[1],"messages":[{"type":"text","text":"x"}]}`),
		"a narrowcast's limit":    post("/v2/bot/message/narrowcast", `{"messages":[{"type":"text","text":"x"}],"limit":{"forbidPartialDelivery":true}}`),
		"a bulk link to none":     post(link, `{"userIds":[],"richMenuId":"`+menu+`"}`),
		"a bulk link to a group":  post(link, `{"userIds":["`+group+`"],"richMenuId":"`+menu+`"}`),
		"a bulk link of nothing":  post(link, `{"userIds":["`+user+`"]}`),
		"a bulk link of no menu":  post(link, `{"userIds":["`+user+`"],"richMenuId":"menu"}`),
		"a link to a group":       post("/v2/bot/user/"+group+"/richmenu/"+menu, "", "Content-Length", "0"),
		"a link of no menu":       post("/v2/bot/user/"+user+"/richmenu/menu", "", "Content-Length", "0"),
		"an unlink of all":        {http.MethodDelete, "/v2/bot/user/ALL/richmenu", "", map[string]string{"Authorization": "Bearer " + token}},
		"a default of no menu":    post("/v2/bot/user/all/richmenu/menu", "", "Content-Length", "0"),
		"leaving a user":          post("/v2/bot/group/"+user+"/leave", "", "Content-Length", "0"),
		"leaving a group's room":  post("/v2/bot/room/"+group+"/leave", "", "Content-Length", "0"),
		"loading in a group":      post(loading, `{"chatId":"`+group+`"}`),
		"loading for 7 s":         post(loading, `{"chatId":"`+user+`","loadingSeconds":7}`),
		"loading for a word":      post(loading, `{"chatId":"`+user+`","loadingSeconds":"5"}`),
		"no token to mark":        post("/v2/bot/chat/markAsRead", `{}`),
		"a path with a hole":      post("/v2/bot/message//push", hello),
		"another path":            post("/v2/bot/message/poke", hello),
	} {
		t.Run(name, func(t *testing.T) {
			sim, err := linesim.New(linesim.Config{})
			require.NoError(t, err)
			s := newStage(t)
			want, got := ask(t, sim, r), s.ask(t, r)
			require.NotEqual(t, 2, want.status/100, want.body)
			assert.Equal(t, want.status, got.status)
			if want.header.Get("Content-Type") == "application/json" {
				// A list of details that is empty says as much as none.
				assert.JSONEq(t, strings.Replace(want.body, `,"details":[]`, "", 1), strings.Replace(got.body, `,"details":[]`, "", 1))
			}
			assert.NotEmpty(t, got.header.Get("X-Line-Request-Id"))
			assert.Zero(t, s.waiting(t))
		})
	}
}

func TestTooLarge(t *testing.T) {
	s := newStage(t)
	body := hello + strings.Repeat(" ", 2<<20-len(hello))
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/push", body)).status)
	got := s.ask(t, post("/v2/bot/message/push", body+" "))
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	assert.JSONEq(t, `{"message":"Request Entity Too Large"}`, got.body)
	assert.Equal(t, 1, s.waiting(t))
}
