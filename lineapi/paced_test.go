package lineapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
)

// asked collects what a permit was asked for, and answers with what the test says.
type asked struct {
	operations []string
	wait       time.Duration
	err        error
	from       int // this many go before wait and err hold
}

func (a *asked) permit(_ context.Context, e endpoint.Endpoint) (time.Duration, error) {
	a.operations = append(a.operations, e.Operation)
	if len(a.operations) <= a.from {
		return 0, nil
	}
	return a.wait, a.err
}

func TestPaced(t *testing.T) {
	sends := func(t *testing.T, n int) *lineapi.Client {
		var exchanges []exchange
		for range n {
			exchanges = append(exchanges, exchange{
				method: "POST", uri: "/v2/bot/message/push", contentType: "application/json", retryKey: key,
				body: `{"to":"` + userID + `","messages":[{"type":"text","text":"hi"}]}`, answer: "{}",
			})
		}
		return clientFor(t, exchanges...)
	}
	t.Run("a request that may go", func(t *testing.T) {
		var a asked
		_, err := push(sends(t, 1).Paced(a.permit), "hi")
		require.NoError(t, err)
		assert.Equal(t, []string{"pushMessage"}, a.operations)
	})
	t.Run("one that must wait isn't sent", func(t *testing.T) {
		a := asked{wait: 3 * time.Second}
		_, err := push(sends(t, 0).Paced(a.permit), "hi")
		e := asError(t, err)
		assert.Equal(t, lineapi.Error{Operation: "pushMessage", Reason: lineapi.RateLimited, Unsent: true,
			RetryAfter: 3 * time.Second, Message: "it is not this request's turn within LINE's rate limit"}, *e)
	})
	t.Run("one whose permit failed isn't sent", func(t *testing.T) {
		a := asked{err: errors.New("Redis is away")}
		_, err := push(sends(t, 0).Paced(a.permit), "hi")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent)
		assert.ErrorIs(t, err, a.err)
		assert.EqualError(t, err, "pushMessage: no permit to send: Redis is away")
	})
	t.Run("each page of a list is asked for", func(t *testing.T) {
		c := clientFor(t,
			exchange{method: "GET", uri: "/v2/bot/group/" + groupID + "/members/ids",
				answer: `{"memberIds":["` + userID + `"],"next":"n"}`},
			exchange{method: "GET", uri: "/v2/bot/group/" + groupID + "/members/ids?start=n",
				answer: `{"memberIds":["` + userID2 + `"]}`})
		var a asked
		for _, err := range c.Paced(a.permit).GroupMembers(t.Context(), groupID) {
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"getGroupMembersIds", "getGroupMembersIds"}, a.operations)
	})
	t.Run("a list stops at the page that must wait", func(t *testing.T) {
		c := clientFor(t, exchange{method: "GET", uri: "/v2/bot/group/" + groupID + "/members/ids",
			answer: `{"memberIds":["` + userID + `"],"next":"n"}`})
		a := asked{from: 1, wait: time.Second}
		var ids []string
		var last error
		for id, err := range c.Paced(a.permit).GroupMembers(t.Context(), groupID) {
			if last = err; err == nil {
				ids = append(ids, id)
			}
		}
		assert.Equal(t, []string{userID}, ids)
		assert.Equal(t, lineapi.RateLimited, lineapi.ReasonOf(last))
	})
	t.Run("a stream is asked for", func(t *testing.T) {
		a := asked{wait: time.Second}
		_, err := sends(t, 0).Paced(a.permit).MessageContent(t.Context(), "1")
		assert.Equal(t, time.Second, asError(t, err).RetryAfter)
		assert.Equal(t, []string{"getMessageContent"}, a.operations)
	})
	t.Run("the client itself asks nobody", func(t *testing.T) {
		a := asked{wait: time.Second}
		c := sends(t, 1)
		c.Paced(a.permit)
		_, err := push(c, "hi")
		require.NoError(t, err)
		assert.Empty(t, a.operations)
	})
	t.Run("nobody is asked for what a check refuses", func(t *testing.T) {
		var a asked
		_, err := push(sends(t, 0).Paced(a.permit), "")
		assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
		assert.Empty(t, a.operations)
	})
	t.Run("the permit comes after the token, so it isn't old when it is used", func(t *testing.T) {
		var a asked
		source := tokenFunc(func() (string, error) {
			assert.Empty(t, a.operations)
			return token, nil
		})
		c, err := lineapi.New(lineapi.Config{
			Token: source, HTTPClient: &http.Client{Transport: answering(200, nil, "{}")},
		})
		require.NoError(t, err)
		_, err = push(c.Paced(a.permit), "hi")
		require.NoError(t, err)
		assert.Len(t, a.operations, 1)
	})
}

type tokenFunc func() (string, error)

func (f tokenFunc) Token(context.Context) (string, error) { return f() }
