package lineapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
)

// answering is a transport that gives one answer to everything.
func answering(status int, header http.Header, body string) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if header == nil {
			header = http.Header{}
		}
		return &http.Response{
			StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r,
		}, nil
	}
}

func push(c *lineapi.Client, text string) (lineapi.Receipt, error) {
	return c.Push(context.Background(), lineapi.PushRequest{To: userID, Messages: texts(text), RetryKey: key})
}

// TestEveryStatus sweeps all statuses that net/http gives to a caller.
func TestEveryStatus(t *testing.T) {
	reasons := map[int]lineapi.Reason{401: lineapi.Auth, 429: lineapi.RateLimited}
	for _, status := range []int{400, 403, 404, 410, 411, 413, 415, 422} {
		reasons[status] = lineapi.Invalid
	}
	for status := 500; status <= 599; status++ {
		reasons[status] = lineapi.Server
	}
	bodies := map[string]string{
		"JSON": `{"message":"LINE's words"}`, "empty": "", "HTML": "<html><h1>Bad</h1></html>", "cut": `{"message":"LINE's wo`,
	}
	for kind, body := range bodies {
		t.Run(kind, func(t *testing.T) {
			for status := 200; status <= 599; status++ {
				header := http.Header{"X-Line-Request-Id": {"req-1"}}
				receipt, err := push(clientWith(t, answering(status, header, body)), "hello")
				if status <= 299 {
					require.NoError(t, err, status)
					assert.Equal(t, lineapi.Receipt{RequestID: "req-1"}, receipt)
					continue
				}
				e := asError(t, err)
				want := reasons[status]
				if want == "" {
					want = lineapi.Unknown
				}
				assert.Equal(t, want, e.Reason, status)
				assert.Equal(t, want, lineapi.ReasonOf(fmt.Errorf("wrapped: %w", err)), status)
				assert.Equal(t, status, e.Status)
				assert.Equal(t, "pushMessage", e.Operation)
				assert.Equal(t, "req-1", e.RequestID)
				assert.False(t, e.Unsent)
				assert.NotContains(t, e.Error(), "<")
				if kind == "JSON" {
					assert.Equal(t, fmt.Sprintf("pushMessage: %d: LINE's words (request id req-1)", status), e.Error())
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   lineapi.Error // without Operation
		text   string
	}{
		"with details": {
			status: 400, header: map[string]string{"x-line-request-id": "r"},
			body: `{"message":"The request body has 2 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"},{"property":"to"},{},3]}`,
			want: lineapi.Error{Status: 400, Reason: lineapi.Invalid, RequestID: "r", Message: "The request body has 2 error(s)",
				Details: []lineapi.Detail{{Message: "May not be empty", Property: "messages[0].text"}, {Property: "to"}}},
			text: "pushMessage: 400: The request body has 2 error(s): messages[0].text May not be empty; to (request id r)",
		},
		"quota": {
			status: 429, body: `{"message":"You have reached your monthly limit."}`,
			want: lineapi.Error{Status: 429, Reason: lineapi.Quota, Message: "You have reached your monthly limit."},
			text: "pushMessage: 429: You have reached your monthly limit.",
		},
		"rate": {
			status: 429, header: map[string]string{"Retry-After": "7"},
			body: `{"message":"The API rate limit has been exceeded. Try again later."}`,
			want: lineapi.Error{Status: 429, Reason: lineapi.RateLimited, RetryAfter: 7 * time.Second,
				Message: "The API rate limit has been exceeded. Try again later."},
			text: "pushMessage: 429: The API rate limit has been exceeded. Try again later.",
		},
		"a date to retry after that has passed": {
			status: 503, header: map[string]string{"Retry-After": "Sat, 01 Jan 2000 00:00:00 GMT"},
			want: lineapi.Error{Status: 503, Reason: lineapi.Server}, text: "pushMessage: 503 Service Unavailable",
		},
		"nonsense to retry after": {
			status: 503, header: map[string]string{"Retry-After": "-1"},
			want: lineapi.Error{Status: 503, Reason: lineapi.Server}, text: "pushMessage: 503 Service Unavailable",
		},
		"a 409 without accepted id": {
			status: 409, body: `{"message":"conflict","details":[]}`,
			want: lineapi.Error{Status: 409, Reason: lineapi.Unknown, Message: "conflict"}, text: "pushMessage: 409: conflict",
		},
		"the token endpoints' shape": {
			status: 400, body: `{"error":"invalid_client","error_description":"bad secret"}`,
			want: lineapi.Error{Status: 400, Reason: lineapi.Invalid, Message: "invalid_client: bad secret"},
			text: "pushMessage: 400: invalid_client: bad secret",
		},
		"HTML": {
			status: 411, body: "<html>Length Required</html>",
			want: lineapi.Error{Status: 411, Reason: lineapi.Invalid, Message: "the answer is not JSON"},
			text: "pushMessage: 411: the answer is not JSON",
		},
		"other JSON": {
			status: 500, body: `["x"]`, want: lineapi.Error{Status: 500, Reason: lineapi.Server, Message: "the answer is not JSON"},
			text: "pushMessage: 500: the answer is not JSON",
		},
		"fields of other types": {
			status: 400, body: `{"message":{"a":1},"details":"x"}`,
			want: lineapi.Error{Status: 400, Reason: lineapi.Invalid}, text: "pushMessage: 400 Bad Request",
		},
		"control characters": {
			status: 400, body: `{"message":"a\nb\u001b[31m"}`,
			want: lineapi.Error{Status: 400, Reason: lineapi.Invalid, Message: "a b [31m"}, text: "pushMessage: 400: a b [31m",
		},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			for k, v := range tt.header {
				header.Set(k, v)
			}
			_, err := push(clientWith(t, answering(tt.status, header, tt.body)), "hello")
			e := asError(t, err)
			tt.want.Operation = "pushMessage"
			assert.Equal(t, tt.want, *e)
			assert.EqualError(t, e, tt.text)
		})
	}

	t.Run("a long message is cut at a character", func(t *testing.T) {
		body := `{"message":"a` + strings.Repeat("é", 4000) + `","details":[` + strings.Repeat(`{"message":"x"},`, 50) + `{}]}`
		_, err := push(clientWith(t, answering(400, nil, body)), "hello")
		e := asError(t, err)
		assert.Equal(t, "a"+strings.Repeat("é", 511), e.Message)
		assert.Len(t, e.Details, 20)
	})
	t.Run("what a message says is hidden, LINE's own words are not", func(t *testing.T) {
		body := `{"message":"not 481516, but one of [vertical, text]: https://example.com/a"}`
		flex := json.RawMessage(`{"type":"bubble","layout":"vertical","url":"https://example.com/a"}`)
		_, err := clientWith(t, answering(400, nil, body)).Push(t.Context(), lineapi.PushRequest{
			To: userID, Messages: append(texts("481516", "text"), lineapi.Flex("alt text", flex)),
		})
		assert.EqualError(t, err, "pushMessage: 400: not [hidden], but one of [vertical, text]: [hidden]")
	})
	t.Run("an endless error body is cut", func(t *testing.T) {
		endless := roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 502, Header: http.Header{}, Body: io.NopCloser(zeros{}), Request: r}, nil
		})
		_, err := push(clientWith(t, endless), "hello")
		assert.Equal(t, lineapi.Server, lineapi.ReasonOf(err))
	})
	t.Run("an endless success is a success of a write, and an error of a read", func(t *testing.T) {
		endless := roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(zeros{}), Request: r}, nil
		})
		_, err := push(clientWith(t, endless), "hello")
		require.NoError(t, err)
		_, err = clientWith(t, endless).Quota(t.Context())
		assert.EqualError(t, err, "getMessageQuota: 200: the answer is longer than any that LINE documents")
	})
	t.Run("a read that can't be decoded", func(t *testing.T) {
		_, err := clientWith(t, answering(200, nil, "<html>")).Quota(t.Context())
		assert.Equal(t, lineapi.Unknown, lineapi.ReasonOf(err))
		assert.EqualError(t, err, "getMessageQuota: 200: the answer of 6 bytes is not the JSON that LINE documents")
	})
	t.Run("a rich menu whose id can't be read exists", func(t *testing.T) {
		header := http.Header{"X-Line-Request-Id": {"r"}}
		id, receipt, err := clientWith(t, answering(200, header, "?")).CreateRichMenu(t.Context(), mustMenu(t, menuJSON))
		require.NoError(t, err)
		assert.Empty(t, id)
		assert.Equal(t, "r", receipt.RequestID)
	})
	t.Run("a link token that can't be read is an error beside the receipt", func(t *testing.T) {
		header := http.Header{"X-Line-Request-Id": {"r"}}
		_, receipt, err := clientWith(t, answering(200, header, "?")).IssueLinkToken(t.Context(), userID)
		assert.Equal(t, lineapi.Unknown, lineapi.ReasonOf(err))
		assert.Equal(t, "r", receipt.RequestID)
	})
	t.Run("content that isn't ready", func(t *testing.T) {
		_, err := clientWith(t, answering(202, nil, "")).MessageContent(t.Context(), "1")
		assert.ErrorIs(t, err, lineapi.ErrNotReady)
		assert.Equal(t, 202, asError(t, err).Status)
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestReasonOf(t *testing.T) {
	assert.Empty(t, lineapi.ReasonOf(nil))
	assert.Equal(t, lineapi.Unknown, lineapi.ReasonOf(errors.New("x")))
	assert.Equal(t, lineapi.Unknown, lineapi.ReasonOf(&lineapi.Error{}))
	assert.Equal(t, lineapi.Expired, lineapi.ReasonOf(&lineapi.Error{Reason: lineapi.Expired}))
	assert.EqualError(t, &lineapi.Error{Reason: lineapi.Expired}, "expired")
	assert.Len(t, lineapi.Reasons, 8)
}

// logged is what zap writes about an error.
func logged(e *lineapi.Error) string {
	var b bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(&b), zapcore.DebugLevel)
	zap.New(core).Error("failed", zap.Object("error", e))
	return b.String()
}

func TestErrorInLogs(t *testing.T) {
	e := &lineapi.Error{
		Operation: "pushMessage", Status: 400, Reason: lineapi.Invalid, Message: "m", RequestID: "r",
		AcceptedRequestID: "a", RetryAfter: time.Second, Unsent: true, Err: errors.New("c"),
		Details: []lineapi.Detail{{Message: "May not be empty", Property: "to"}},
	}
	assert.JSONEq(t, `{"error":{"operation":"pushMessage","reason":"invalid","status":400,"message":"m","request_id":"r",
		"accepted_request_id":"a","retry_after":1000000000,"unsent":true,"cause":"c",
		"details":[{"property":"to","message":"May not be empty"}]}}`, logged(e))
}

// everything is all that can be seen of an error.
func everything(err error) string {
	s := fmt.Sprintf("%v %+v %q", err, err, err)
	var e *lineapi.Error
	if errors.As(err, &e) {
		fields := *e
		fields.Err = nil
		s += fmt.Sprintf("%+v", fields) + logged(e)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		s += err.Error()
	}
	return s
}

// TestNoSecretInErrors lets LINE, or something between, repeat parts of the request in any place.
func TestNoSecretInErrors(t *testing.T) {
	const replyToken, readToken, text = "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA", "30yhdy232", "my secret words"
	secrets := []string{token, replyToken, readToken, text, "Bearer "}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(secrets), rapid.String(), rapid.Just(`","details":[{"message":"`))
		words := rapid.Custom(func(t *rapid.T) string {
			s := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
			return strings.Repeat("x", rapid.IntRange(0, 1100).Draw(t, "padding")) + s
		})
		quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
		body := rapid.OneOf(words, rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf(`{"message":%s,"error":%s,"error_description":%s,"details":[{"message":%s,"property":%s}]}`,
				quoted(words.Draw(t, "message")), quoted(words.Draw(t, "error")), quoted(words.Draw(t, "description")),
				quoted(words.Draw(t, "detail")), quoted(words.Draw(t, "property")))
		})).Draw(t, "body")
		status := rapid.SampledFrom([]int{200, 302, 400, 401, 403, 404, 409, 418, 429, 500, 503}).Draw(t, "status")
		header := http.Header{"X-Line-Request-Id": {words.Draw(t, "request id")}}
		transport := answering(status, header, body)
		if rapid.Bool().Draw(t, "no answer") {
			transport = func(*http.Request) (*http.Response, error) { return nil, errors.New(words.Draw(t, "failure")) }
		}
		c := clientWith(t, transport)
		ctx := context.Background()

		_, replied := c.Reply(ctx, lineapi.ReplyRequest{ReplyToken: replyToken, Messages: texts(text)})
		_, pushed := push(c, text)
		_, marked := c.MarkAsRead(ctx, readToken)
		_, asked := c.Quota(ctx)
		for call, hidden := range map[error][]string{
			replied: {token, replyToken, text}, pushed: {token, text}, marked: {token, readToken}, asked: {token},
		} {
			if call == nil {
				continue
			}
			seen := everything(call)
			for _, secret := range hidden {
				if strings.Contains(seen, secret) {
					t.Fatalf("%q is in %s", secret, seen)
				}
			}
			if !utf8.ValidString(call.Error()) || strings.ContainsAny(call.Error(), "\n\r\x1b") {
				t.Fatalf("not fit for a log: %q", call.Error())
			}
		}
	})
}

// TestNoSecretInPrintedClients prints what a careless log line prints.
func TestNoSecretInPrintedClients(t *testing.T) {
	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: "1", ChannelSecret: "channel-secret", HTTPClient: &http.Client{Transport: answering(200, nil,
			`{"access_token":"issued-token","expires_in":900,"token_type":"Bearer"}`)},
	})
	require.NoError(t, err)
	issued, err := source.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "issued-token", issued)
	cfg := lineapi.Config{Token: lineapi.StaticToken(token)}
	c, err := lineapi.New(cfg)
	require.NoError(t, err)
	for _, v := range []any{cfg, c, source, lineapi.Config{Token: source}} {
		seen := fmt.Sprintf("%v %+v %#v", v, v, v)
		for _, secret := range []string{token, "channel-secret", "issued-token"} {
			assert.NotContains(t, seen, secret)
		}
	}
}

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"message":"m","details":[{"message":"a","property":"b"}]}`, `{"error":"e"}`, `<html>`, `{"details":[1,null]}`,
		"{\"message\":\"\xff" + token + "\"}", `{"message":"` + strings.Repeat("é", 2000) + `"}`,
	} {
		f.Add(400, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 300 || status > 599 {
			return
		}
		_, err := push(clientWith(t, answering(status, nil, string(body))), "hello world")
		e := asError(t, err)
		assert.True(t, slices.Contains(lineapi.Reasons, e.Reason))
		assert.LessOrEqual(t, len(e.Message), 1024)
		assert.LessOrEqual(t, len(e.Details), 20)
		assert.True(t, utf8.ValidString(e.Error()))
		assert.NotContains(t, e.Error(), token)
		assert.NotContains(t, e.Error(), "\n")
	})
}
