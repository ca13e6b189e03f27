package linesim_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func TestPush(t *testing.T) {
	l := start(t, unlimited)
	body := `{"to":"` + user(1) + `","messages":[{"type":"text","text":"a"},{"type":"audio","originalContentUrl":` +
		`"https://example.com/a.m4a","duration":1000}],"notificationDisabled":false,"customAggregationUnits":null}`
	got := l.post(pushPath, body)
	require.Equal(t, http.StatusOK, got.Code, got.Body)
	assert.Equal(t, "application/json", got.Header().Get("Content-Type"))

	sent := got.object["sentMessages"].([]any)
	require.Len(t, sent, 2)
	first, second := sent[0].(map[string]any), sent[1].(map[string]any)
	assert.Regexp(t, `^\d{18}$`, first["id"])
	assert.NotEqual(t, first["id"], second["id"])
	assert.NotEmpty(t, first["quoteToken"], "text can be quoted")
	assert.NotContains(t, second, "quoteToken", "audio can't be quoted")

	received := l.Ledger().Received(user(1))
	require.Len(t, received, 1)
	d := received[0]
	assert.Equal(t, l.clock.Now(), d.At)
	assert.Equal(t, got.id(), d.RequestID)
	assert.Equal(t, "pushMessage", d.Operation)
	assert.Equal(t, "1234567890", d.Channel)
	assert.Empty(t, d.RetryKey)
	assert.Equal(t, []string{first["id"].(string), second["id"].(string)}, d.MessageIDs)
	require.Len(t, d.Messages, 2)
	assert.Equal(t, `{"type":"text","text":"a"}`, string(d.Messages[0]))

	assert.NotEqual(t, got.id(), l.post(pushPath, body).id(), "a request id is unique")
}

// Messages are kept byte for byte, whatever is in their strings.
func TestMessagesAreKept(t *testing.T) {
	l := start(t, unlimited)
	for i, message := range []string{
		`{"type":"text","text":"\"]}, {[\\"}`,
		`{ "text" : "日本 \u00e9 😀" , "type" : "text", "emojis" : [ ] }`,
		"{\n\t\"type\": \"location\", \"title\": \"t\", \"address\": \"a\", \"latitude\": 1e1, \"longitude\": -0.5\n}",
	} {
		got := l.post(pushPath, `{"messages" : [ `+message+` , `+message+` ] , "to":"`+user(i)+`" }`)
		require.Equal(t, 200, got.Code, got.Body)
		for _, kept := range l.Ledger().Received(user(i))[0].Messages {
			assert.Equal(t, message, string(kept))
		}
	}
}

func TestRecipients(t *testing.T) {
	l := start(t, unlimited)
	require.NoError(t, l.AddUser(linesim.User{ID: user(2), State: linesim.Blocked}))
	require.NoError(t, l.AddUser(linesim.User{ID: user(3), State: linesim.Unknown}))
	require.NoError(t, l.AddChat(linesim.Chat{ID: group(1), Members: []string{user(1), user(2), user(7), user(8), user(9)}}))
	require.NoError(t, l.AddChat(linesim.Chat{ID: group(2), State: linesim.Left}))

	for name, c := range map[string]struct {
		to             string
		status         int
		message        string
		received, cost int64
	}{
		"friend":                {user(1), 200, "", 1, 1},
		"blocked":               {user(2), 200, "", 0, 0},
		"unknown":               {user(3), 400, "Failed to send messages", 0, 0},
		"group of five":         {group(1), 200, "", 1, 5},
		"group that was left":   {group(2), 400, "Failed to send messages", 0, 0},
		"room nobody described": {room(1), 200, "", 1, 1},
		"upper case":            {"U" + strings.Repeat("A", 32), 400, invalidTo, 0, 0},
		"too short":             {"U12", 400, invalidTo, 0, 0},
		"empty":                 {"", 400, invalidTo, 0, 0},
		"wrong letter":          {"X" + user(1)[1:], 400, invalidTo, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := l.Quota("1234567890")
			require.NoError(t, err)
			got := l.post(pushPath, push(c.to, "hello"))
			assert.Equal(t, c.status, got.Code)
			assert.Equal(t, c.message, got.message())
			after, err := l.Quota("1234567890")
			require.NoError(t, err)
			assert.Equal(t, c.cost, after.Used-before.Used)
			assert.EqualValues(t, c.received, l.Ledger().Count(c.to))
		})
	}

	t.Run("the bot itself", func(t *testing.T) {
		bot := l.get("/v2/bot/info").object["userId"].(string)
		assertRefused(t, 400, "Failed to send messages", l.post(pushPath, push(bot, "hello")))
	})
}

const invalidTo = "The property, 'to', in the request body is invalid (line: -, column: -)"

func TestMulticast(t *testing.T) {
	t.Run("skips those who can't receive", func(t *testing.T) {
		l := start(t, unlimited)
		require.NoError(t, l.AddUser(linesim.User{ID: user(2), State: linesim.Blocked}))
		require.NoError(t, l.AddUser(linesim.User{ID: user(3), State: linesim.Unknown}))
		got := l.post(multicastPath, multicast("hi", user(1), user(2), user(3), user(4)))
		assert.Equal(t, http.StatusOK, got.Code)
		assert.JSONEq(t, `{}`, got.Body.String())
		assert.Equal(t, 1, l.Ledger().Count(user(1)))
		assert.Equal(t, 0, l.Ledger().Count(user(2)))
		assert.Equal(t, 0, l.Ledger().Count(user(3)))
		assert.Equal(t, linesim.Totals{Requests: 1, Deliveries: 2, Recipients: 2}, l.Ledger().Totals())
		q, _ := l.Quota("1234567890")
		assert.EqualValues(t, 2, q.Used)
	})
	t.Run("names an unknown user if told to", func(t *testing.T) {
		l := start(t, linesim.Config{RefuseUnknown: true})
		require.NoError(t, l.AddUser(linesim.User{ID: user(2), State: linesim.Unknown}))
		got := l.post(multicastPath, multicast("hi", user(1), user(2)))
		assertRefused(t, 400, "The property, to[1], in the request body is invalid (line: -, column: -)", got)
		assert.Zero(t, l.Ledger().Totals(), "on an error nobody receives it")
	})
	t.Run("delivers once to an ID listed twice", func(t *testing.T) {
		l := start(t, unlimited)
		require.Equal(t, 200, l.post(multicastPath, multicast("hi", user(1), user(2), user(1))).Code)
		assert.Equal(t, 1, l.Ledger().Count(user(1)))
		assert.EqualValues(t, 1, l.Stats().RepeatedRecipients)
	})
	t.Run("refuses", func(t *testing.T) {
		l := start(t, unlimited)
		many := make([]string, 501)
		for i := range many {
			many[i] = user(i)
		}
		assertRefused(t, 400, "The property, to[1], in the request body is invalid (line: -, column: -)",
			l.post(multicastPath, multicast("hi", user(1), group(1))))
		for name, body := range map[string]string{
			"too many": multicast("hi", many...),
			"none":     `{"to":[],"messages":` + text("hi") + `}`,
		} {
			got := l.post(multicastPath, body)
			assertRefused(t, 400, "The request body has 1 error(s)", got)
			assert.Equal(t, []any{map[string]any{"message": "Size must be between 1 and 500", "property": "to"}},
				got.object["details"], name)
		}
		assertRefused(t, 400, invalidTo, l.post(multicastPath, `{"to":"x","messages":`+text("hi")+`}`))
		assert.Equal(t, 200, l.post(multicastPath, multicast("hi", many[:500]...)).Code)
	})
}

func TestReply(t *testing.T) {
	l := start(t, linesim.Config{Channels: []linesim.Channel{
		linesim.DefaultChannel, {ID: "2", Token: "other"},
	}})
	reply := func(token string, headers ...string) response {
		return l.post(replyPath, `{"replyToken":"`+token+`","messages":`+text("re")+`}`, headers...)
	}
	fresh := func() string {
		token, err := l.NewReplyToken("1234567890", group(5))
		require.NoError(t, err)
		return token
	}
	t.Run("works once", func(t *testing.T) {
		token := fresh()
		got := reply(token)
		assert.Equal(t, 200, got.Code)
		assert.Len(t, got.object["sentMessages"], 1)
		assert.Equal(t, 1, l.Ledger().Count(group(5)))
		assertRefused(t, 400, "Invalid reply token", reply(token))
	})
	t.Run("dies after a minute", func(t *testing.T) {
		token := fresh()
		l.clock.advance(time.Minute)
		assertRefused(t, 400, "Invalid reply token", reply(token))
	})
	t.Run("lives until then", func(t *testing.T) {
		token := fresh()
		l.clock.advance(time.Minute - 1)
		assert.Equal(t, 200, reply(token).Code)
	})
	t.Run("isn't used up by a request that fails its checks", func(t *testing.T) {
		token := fresh()
		assert.Equal(t, 400, l.post(replyPath, `{"replyToken":"`+token+`","messages":[]}`).Code)
		assert.Equal(t, 200, reply(token).Code)
	})
	t.Run("belongs to its channel", func(t *testing.T) {
		assertRefused(t, 400, "Invalid reply token", reply(fresh(), "Authorization", "Bearer other"))
	})
	t.Run("takes no retry key", func(t *testing.T) {
		assert.Equal(t, 400, reply(fresh(), "X-Line-Retry-Key", key1).Code)
	})
	t.Run("must be there", func(t *testing.T) {
		got := l.post(replyPath, `{"messages":`+text("re")+`}`)
		assertRefused(t, 400, "The request body has 1 error(s)", got)
		assert.Equal(t, []any{map[string]any{"message": "May not be empty", "property": "replyToken"}}, got.object["details"])
	})
}

func TestBroadcastReachesKnownFriends(t *testing.T) {
	l := start(t, unlimited)
	require.NoError(t, l.AddUser(linesim.User{ID: user(1)}))
	require.NoError(t, l.AddUser(linesim.User{ID: user(2), State: linesim.Blocked}))
	require.Equal(t, 200, l.post(pushPath, push(user(3), "seen")).Code)
	require.Equal(t, 200, l.post(pushPath, push(group(3), "a group is no friend")).Code)
	got := l.post(broadcastPath, `{"messages":`+text("all")+`}`)
	assert.Equal(t, 200, got.Code)
	for recipient, want := range map[string]int{user(1): 1, user(2): 0, user(3): 2, group(3): 1} {
		assert.Equal(t, want, l.Ledger().Count(recipient), recipient)
	}
}

func TestRequestChecks(t *testing.T) {
	l := start(t, unlimited)
	good := push(user(1), "hi")
	for name, c := range map[string]struct {
		got     response
		status  int
		message string
	}{
		"not JSON":            {l.post(pushPath, "{\n \"to\": }"), 400, "The request body could not be parsed as JSON (line: 2, column: 8)"},
		"empty body":          {l.post(pushPath, "", "Content-Type", "application/json"), 400, "The request body could not be parsed as JSON (line: 1, column: 1)"},
		"an array":            {l.post(pushPath, "[]"), 400, "The request body could not be parsed as JSON (line: 1, column: 1)"},
		"unknown property":    {l.post(pushPath, `{"foo":1,"to":"`+user(1)+`"}`), 400, "The property, 'foo', in the request body is invalid (line: 1, column: 8)"},
		"wrong type":          {l.post(pushPath, `{"to":"`+user(1)+`","messages":{}}`), 400, "The property, 'messages', in the request body is invalid (line: 1, column: 54)"},
		"content type":        {l.post(pushPath, good, "Content-Type", "text/plain"), 415, "The content type, text/plain, is not supported"},
		"too large":           {l.post(pushPath, strings.Repeat(" ", 2<<20)+good), 413, "Request Entity Too Large"},
		"no such path":        {l.post("/v2/bot/message/pull", good), 404, "Not found"},
		"a trailing slash":    {l.post(pushPath+"/", good), 404, "Not found"},
		"a doubled slash":     {l.post("//v2/bot/message/push", good), 404, "Not found"},
		"wrong method":        {l.call("PUT", pushPath, good), 405, "Method Not Allowed"},
		"not simulated":       {l.get("/v2/bot/insight/demographic"), 501, "The simulator doesn't have getFriendsDemographics"},
		"another host's path": {l.get("http://api.line.me/v2/bot/message/1/content"), 404, "Not found"},
		"retry key, no UUID":  {l.post(pushPath, good, "X-Line-Retry-Key", "order-1"), 400, "The value for the 'X-Line-Retry-Key' parameter is invalid"},
		"no authorization":    {l.post(pushPath, good, "Authorization", ""), 401, authText("missing token")},
		"wrong token":         {l.post(pushPath, good, "Authorization", "Bearer x"), 401, authText("invalid token")},
	} {
		t.Run(name, func(t *testing.T) { assertRefused(t, c.status, c.message, c.got) })
	}
	assert.Zero(t, l.Ledger().Totals())

	for name, contentType := range map[string]string{"charset": "application/json; charset=UTF-8", "capitals": "Application/JSON"} {
		assert.Equal(t, 200, l.post(pushPath, good, "Content-Type", contentType).Code, name)
	}
	assert.Equal(t, 200, l.call("GET", "http://api.line.me/v2/bot/info", "").Code)
	assert.Equal(t, 200, l.post(pushPath, good, "Authorization", "bearer simulated-token").Code)
}

func authText(reason string) string {
	return "Authentication failed due to the following reason: " + reason +
		". Confirm that the access token in the authorization header is valid."
}

func TestSecretsStayOutOfAnswers(t *testing.T) {
	l := start(t, unlimited)
	for _, got := range []response{
		l.post(pushPath, push(user(1), "hi"), "Authorization", "Bearer s3cret"),
		l.post("/v2/oauth/accessToken", "grant_type=client_credentials&client_id=1234567890&client_secret=s3cret",
			"Content-Type", "application/x-www-form-urlencoded"),
		l.post("/v2/oauth/verify", "access_token=s3cret", "Content-Type", "application/x-www-form-urlencoded"),
		l.post(replyPath, `{"replyToken":"s3cret","messages":[{"type":"text","text":"s3cret"}]}`),
	} {
		assert.GreaterOrEqual(t, got.Code, 400)
		assert.NotContains(t, got.Body.String(), "s3cret")
	}
}

// A POST without a body and without a length gets HTML from the edge.
func TestLengthRequired(t *testing.T) {
	l := start(t, unlimited)
	server := httptest.NewServer(l)
	defer server.Close()
	url := server.URL + "/v2/bot/user/" + user(1) + "/linkToken"
	t.Run("over no connection", func(t *testing.T) {
		for length, want := range map[int64]int{0: 200, -1: 411} {
			r := httptest.NewRequest("POST", "/v2/bot/user/"+user(1)+"/linkToken", nil)
			r.Header.Set("Authorization", "Bearer simulated-token")
			r.ContentLength = length
			w := httptest.NewRecorder()
			l.ServeHTTP(w, r)
			assert.Equal(t, want, w.Code)
		}
	})
	t.Run("no header at all", func(t *testing.T) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /v2/bot/user/%s/linkToken HTTP/1.1\r\nHost: line\r\n"+
			"Authorization: Bearer simulated-token\r\nConnection: close\r\n\r\n", user(1))
		require.NoError(t, err)
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer got.Body.Close()
		assert.Equal(t, 411, got.StatusCode)
	})
	for name, c := range map[string]struct {
		chunked bool
		want    int
	}{"Content-Length: 0": {false, 200}, "chunked": {true, 411}} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest("POST", url, nil)
			require.NoError(t, err)
			if c.chunked {
				r, err = http.NewRequest("POST", url, struct{ *strings.Reader }{strings.NewReader("")})
				require.NoError(t, err)
				r.ContentLength = -1
			}
			r.Header.Set("Authorization", "Bearer simulated-token")
			got, err := server.Client().Do(r)
			require.NoError(t, err)
			defer got.Body.Close()
			assert.Equal(t, c.want, got.StatusCode)
			if c.want == 411 {
				assert.Equal(t, "text/html", got.Header.Get("Content-Type"))
				assert.Empty(t, got.Header.Get("X-Line-Request-Id"))
			}
		})
	}
}
