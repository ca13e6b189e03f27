package worker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

func TestDecide(t *testing.T) {
	failed := func(e lineapi.Error) answer { return answer{endpoint: endpoint.PushMessage, err: &e} }
	first := record.Begun{Attempts: 1}
	for name, c := range map[string]struct {
		answer answer
		want   verdict
	}{
		"accepted": {
			answer{receipt: lineapi.Receipt{RequestID: "r1"}},
			verdict{Answer: record.Answer{Evidence: record.Accepted, Final: true, RequestID: "r1"}},
		},
		"accepted before": {
			answer{receipt: lineapi.Receipt{RequestID: "r2", AcceptedRequestID: "r1", Replayed: true}},
			verdict{Answer: record.Answer{Evidence: record.Accepted, Final: true, RequestID: "r1", Replayed: true}},
		},
		"401": {
			failed(lineapi.Error{Status: 401, Reason: lineapi.Auth, Message: "no"}),
			verdict{record.Answer{Status: 401, Evidence: record.Refused, Reason: lineapi.Auth, Error: "no"}, 500 * time.Millisecond},
		},
		"its turn comes later": {
			failed(lineapi.Error{Reason: lineapi.RateLimited, Unsent: true, Message: "later", RetryAfter: time.Minute}),
			verdict{
				record.Answer{Evidence: record.Refused, Reason: lineapi.RateLimited, Error: "later", Unmade: true},
				time.Minute - comeBackEarly,
			},
		},
		"429": {
			failed(lineapi.Error{Status: 429, Reason: lineapi.RateLimited, Message: "slow"}),
			verdict{record.Answer{Status: 429, Evidence: record.Refused, Reason: lineapi.RateLimited, Error: "slow"}, 500 * time.Millisecond},
		},
		"429 with Retry-After": {
			failed(lineapi.Error{Status: 429, Reason: lineapi.RateLimited, Message: "slow", RetryAfter: time.Hour}),
			verdict{record.Answer{Status: 429, Evidence: record.Refused, Reason: lineapi.RateLimited, Error: "slow"}, time.Hour},
		},
		"429 of the quota": {
			failed(lineapi.Error{Status: 429, Reason: lineapi.Quota, Message: "month"}),
			verdict{record.Answer{Status: 429, Evidence: record.Refused, Reason: lineapi.Quota, Error: "month"}, 500 * time.Millisecond},
		},
		"500": {
			failed(lineapi.Error{Status: 500, Reason: lineapi.Server, Message: "oops", RequestID: "r1"}),
			verdict{record.Answer{
				Status: 500, Evidence: record.Lost, Reason: lineapi.Server, Error: "oops", RequestID: "r1",
			}, 500 * time.Millisecond},
		},
		"no connection": {
			failed(lineapi.Error{Reason: lineapi.Network, Unsent: true, Message: "refused"}),
			verdict{record.Answer{Evidence: record.Refused, Reason: lineapi.Network, Error: "refused"}, 500 * time.Millisecond},
		},
		"no answer": {
			failed(lineapi.Error{Reason: lineapi.Network, Message: "timeout"}),
			verdict{record.Answer{Evidence: record.Lost, Reason: lineapi.Network, Error: "timeout"}, 500 * time.Millisecond},
		},
		"409 without the accepted id": {
			failed(lineapi.Error{Status: 409, Reason: lineapi.Unknown, Message: "conflict"}),
			verdict{record.Answer{
				Status: 409, Evidence: record.Lost, Final: true, AfterOpen: tasks.OutcomeUnknown, Reason: lineapi.Unknown, Error: "conflict",
			}, 500 * time.Millisecond},
		},
		"an error of nobody's": {
			answer{endpoint: endpoint.PushMessage, err: errors.New("odd")},
			verdict{record.Answer{
				Evidence: record.Lost, Final: true, AfterOpen: tasks.OutcomeUnknown, Reason: lineapi.Unknown, Error: "odd",
			}, 500 * time.Millisecond},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, decide(c.answer, first, 0)) })
	}
}

func TestDecideByStatus(t *testing.T) {
	for _, status := range []int{400, 403, 404, 410, 411, 413, 415, 422} {
		v := decide(answer{
			endpoint: endpoint.PushMessage, err: &lineapi.Error{Status: status, Reason: lineapi.Invalid},
		}, record.Begun{Attempts: 1}, 0)
		assert.Equal(t, record.Refused, v.Evidence, status)
		assert.True(t, v.Final, status)
	}
}

// The retry classes of https://developers.line.biz/en/docs/messaging-api/retrying-api-request/ and of the table.
func TestDecideByClass(t *testing.T) {
	for _, e := range endpoint.All {
		lost := decide(answer{endpoint: e, err: &lineapi.Error{Status: 503, Reason: lineapi.Server}}, record.Begun{Attempts: 1}, 0)
		assert.Equal(t, record.Lost, lost.Evidence)
		odd := decide(answer{endpoint: e, err: &lineapi.Error{Status: 302, Reason: lineapi.Unknown}}, record.Begun{Attempts: 1}, 0)
		assert.True(t, odd.Final)
		assert.Equal(t, e.Class == endpoint.Read, odd.Evidence == record.Refused, "%s: only a lookup left nothing behind", e.Operation)
		harmful := e.Class == endpoint.NotRepeatable || e.Class == endpoint.OneShot || e.Class == endpoint.Destructive
		assert.Equal(t, harmful, lost.Final, "%s is repeated after a lost answer", e.Operation)

		for _, status := range []int{400, 403, 404, 410} {
			v := decide(answer{endpoint: e, err: &lineapi.Error{Status: status, Reason: lineapi.Invalid}}, record.Begun{}, 0)
			want := tasks.OutcomeUnknown
			switch {
			case e.Class == endpoint.Read:
				want = tasks.OutcomeFailed
			case e.Class == endpoint.AlreadyDone && status != http.StatusForbidden:
				want = tasks.OutcomeSent
			}
			assert.Equal(t, want, v.AfterOpen, "%s, %d", e.Operation, status)
		}
	}
}

func TestDecideIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := lineapi.Error{
			Status:  rapid.IntRange(0, 999).Draw(t, "status"),
			Reason:  rapid.SampledFrom(lineapi.Reasons).Draw(t, "reason"),
			Unsent:  rapid.Bool().Draw(t, "unsent"),
			Message: rapid.String().Draw(t, "message"),
		}
		begun := record.Begun{Attempts: rapid.IntRange(1, 1000).Draw(t, "attempts"), Open: rapid.Bool().Draw(t, "open")}
		a := answer{endpoint: rapid.SampledFrom(endpoint.All).Draw(t, "endpoint"), err: &e}
		v := decide(a, begun, rapid.Float64Range(0, 1).Draw(t, "random"))
		if v.Evidence == record.Accepted {
			t.Fatalf("an error is taken for an acceptance: %+v", v)
		}
		if !v.Final && (v.delay < firstBackoff/2 || v.delay > time.Hour) {
			t.Fatalf("waits %s", v.delay)
		}
		if (v.Reason == lineapi.Server || v.Reason == lineapi.Network) && !e.Unsent && v.Evidence != record.Lost {
			t.Fatalf("LINE may have it, but the verdict is %s", v.Evidence)
		}
		if v != decide(a, begun, 0) && v.Answer != decide(a, begun, 0).Answer {
			t.Fatal("chance decides more than the wait")
		}
		if len(v.Error) > maxExplanation || !utf8.ValidString((&postponed{reason: v.Error}).Error()) {
			t.Fatalf("unfit for a record: %q", v.Error)
		}
	})
}

func TestBackoffGrowsAndIsSpread(t *testing.T) {
	var last time.Duration
	for attempts := 1; attempts < 40; attempts++ {
		low, high := backoff(attempts, 0), backoff(attempts, 1)
		assert.Equal(t, 2*low, high)
		assert.GreaterOrEqual(t, high, last)
		assert.LessOrEqual(t, high, lastBackoff)
		last = high
	}
	assert.Equal(t, lastBackoff, last)
}

func TestExplainNamesWhatLINEBlames(t *testing.T) {
	err := fmt.Errorf("push: %w", &lineapi.Error{
		Status: 400, Message: "The request body has 1 error(s)",
		Details: []lineapi.Detail{{Message: "May not be empty", Property: "messages[0].text"}},
	})
	assert.Equal(t, "The request body has 1 error(s); messages[0].text: May not be empty", explain(err))
	require.Equal(t, "odd", explain(errors.New("odd")))
	long := explain(errors.New("x" + strings.Repeat("あ", maxExplanation)))
	assert.True(t, utf8.ValidString(long), "cut through a character")
	assert.Greater(t, len(long), maxExplanation-utf8.UTFMax)
}

func TestForeignWait(t *testing.T) {
	for name, c := range map[string]struct{ left, want time.Duration }{
		"no deadline":                 {time.Until(time.Time{}), foreignDelay},
		"the deadline has passed":     {-time.Second, foreignDelay},
		"a fresh reply":               {tasks.ReplyLifetime, tasks.ReplyLifetime / 10},
		"a reply that is nearly over": {3 * time.Second, time.Second},
		"a deadline tomorrow":         {24 * time.Hour, foreignDelay},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, foreignWait(c.left)) })
	}
}
