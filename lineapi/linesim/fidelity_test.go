package linesim_test

import (
	"encoding/csv"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
)

// The operations of messaging-api.yml and channel-access-token.yml that the simulator leaves out. Everything else in the
// two documents it must have.
var notSimulated = []string{
	"getWebhookEndpoint", "setWebhookEndpoint", "testWebhookEndpoint", "pushMessagesByPhone", "getPNPMessageStatistics",
	"getMembershipSubscription", "getMembershipList", "getJoinedMembershipUsers", "listCoupon", "createCoupon",
	"getCouponDetail", "closeCoupon",
}

func concrete(e endpoint.Endpoint) string {
	var segments []string
	for _, s := range strings.Split(e.Path, "/") {
		switch s {
		case "{userId}":
			segments = append(segments, user(1))
		case "{groupId}":
			segments = append(segments, group(1))
		case "{roomId}":
			segments = append(segments, room(1))
		default:
			if strings.HasPrefix(s, "{") {
				segments = append(segments, "x1")
			}
		}
	}
	return e.Expand(segments...)
}

// request is one for which the channel is known, which is all that a limit asks for.
func (l line) request(e endpoint.Endpoint, headers ...string) response {
	path, body := concrete(e), "{}"
	if strings.HasPrefix(path, "/oauth2") || strings.HasPrefix(path, "/v2/oauth") {
		form := "client_id=1234567890&client_secret=simulated-secret&grant_type=client_credentials&access_token="
		switch e.Operation {
		case "verifyChannelTokenByJWT":
			form += l.tokens.byAssertion
		case "revokeChannelToken":
			form += l.tokens.stateless // stays what it is
		default:
			form += "simulated-token"
		}
		if e.Operation == "issueChannelTokenByJWT" || e.Operation == "getsAllValidChannelAccessTokenKeyIds" {
			form += "&client_assertion_type=" + assertionType + "&client_assertion=" + assertion(nil, "kid", l.claims(60))
		}
		if e.Method == http.MethodGet {
			return l.call(e.Method, path+"?"+form, "", headers...)
		}
		return l.post(path, form, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	return l.call(e.Method, path, body, headers...)
}

func TestEveryEndpoint(t *testing.T) {
	f, err := os.Open("../endpoint/testdata/operations.tsv")
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	documented := map[string]bool{}
	for _, row := range rows {
		documented[row[0]] = true
	}
	left := map[string]bool{}
	for _, operation := range notSimulated {
		left[operation] = true
	}
	// The table keeps the order of LINE's documents: these two come first.
	last := endpoint.RevokeChannelToken.Operation
	inDocuments := true
	for _, e := range endpoint.All {
		t.Run(e.Operation, func(t *testing.T) {
			if inDocuments {
				require.True(t, documented[e.Operation])
				assert.Equal(t, !left[e.Operation], linesim.Simulated(e.Operation))
			} else {
				assert.False(t, linesim.Simulated(e.Operation))
			}
			l := start(t, linesim.Config{})
			got := l.request(e)
			if !linesim.Simulated(e.Operation) {
				assertRefused(t, http.StatusNotImplemented, "The simulator doesn't have "+e.Operation, got)
				return
			}
			assert.Contains(t, l.Stats().Requests, e.Operation, "method and path lead to the endpoint")
			assert.NotContains(t, []int{405, 501}, got.Code)

			other := l.call("PATCH", concrete(e), "")
			assertRefused(t, http.StatusMethodNotAllowed, "Method Not Allowed", other)
		})
		if e.Operation == last {
			inDocuments = false
		}
	}
}

// A bucket holds a tenth of a second's worth or one token, refills with time, and belongs to the endpoint.
func TestEveryLimit(t *testing.T) {
	for _, e := range endpoint.All {
		if !linesim.Simulated(e.Operation) {
			continue
		}
		t.Run(e.Operation, func(t *testing.T) {
			require.Positive(t, e.Limit.Requests)
			l := start(t, linesim.Config{})
			l.tokens.byAssertion, l.tokens.stateless = l.issueByAssertion(), l.issueStateless()
			l.clock.advance(time.Second) // their buckets are full again
			token := e.Limit.Per / time.Duration(e.Limit.Requests)
			capacity := max(1, int(100*time.Millisecond/token))
			for i := range capacity {
				require.NotEqual(t, 429, l.request(e).Code, "request %d of %d", i+1, capacity)
			}
			const text = "The API rate limit has been exceeded. Try again later."
			assertRefused(t, 429, text, l.request(e))
			assert.EqualValues(t, 1, l.Stats().RateLimited)
			assert.Equal(t, 429, l.request(e).Code)
			l.clock.advance(token)
			assert.NotEqual(t, 429, l.request(e).Code, "a refused request took no token")
			assert.Equal(t, 429, l.request(e).Code)
		})
	}
}

func TestRetryKeyIsTakenByItsClassOnly(t *testing.T) {
	for _, e := range endpoint.All {
		if !linesim.Simulated(e.Operation) {
			continue
		}
		l := start(t, unlimited)
		with := l.request(e, "X-Line-Retry-Key", key1)
		refused := with.message() == "The retry key is not supported by this API"
		assert.Equal(t, e.Class != endpoint.RetryKey, refused, e.Operation)
		if refused {
			assert.Equal(t, 400, with.Code)
		}
	}
}

func TestLimits(t *testing.T) {
	drain := func(l line, headers ...string) (n int) {
		for l.post(multicastPath, "{}", headers...).Code != 429 && n < 1000 {
			n++
		}
		return n
	}
	t.Run("are per channel", func(t *testing.T) {
		l := start(t, linesim.Config{Channels: []linesim.Channel{linesim.DefaultChannel, {ID: "2", Token: "other"}}})
		assert.Equal(t, 20, drain(l))
		assert.Equal(t, 20, drain(l, "Authorization", "Bearer other"))
	})
	t.Run("Burst", func(t *testing.T) {
		l := start(t, linesim.Config{Limits: linesim.Limits{Burst: time.Second}})
		assert.Equal(t, 200, drain(l))
		l.clock.advance(250 * time.Millisecond)
		assert.Equal(t, 50, drain(l))
		l.clock.advance(time.Hour)
		assert.Equal(t, 200, drain(l), "a bucket doesn't overflow")
	})
	t.Run("Rates", func(t *testing.T) {
		l := start(t, linesim.Config{Limits: linesim.Limits{
			Rates: map[string]endpoint.Limit{"multicast": {Requests: 30, Per: time.Second}, "pushMessage": {}},
		}})
		assert.Equal(t, 3, drain(l))
		for range 500 {
			require.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
		}
	})
	t.Run("Off", func(t *testing.T) { assert.Equal(t, 1000, drain(start(t, unlimited))) })
	t.Run("can change", func(t *testing.T) {
		l := start(t, unlimited)
		require.NoError(t, l.SetLimits(linesim.Limits{}))
		assert.Equal(t, 20, drain(l))
	})
	t.Run("are per endpoint", func(t *testing.T) {
		l := start(t, linesim.Config{})
		drain(l)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
	})
	t.Run("don't count strangers", func(t *testing.T) {
		l := start(t, linesim.Config{})
		for range 50 {
			require.Equal(t, 401, l.post(multicastPath, "{}", "Authorization", "Bearer x").Code)
		}
		assert.Equal(t, 20, drain(l))
	})
	for name, limits := range map[string]linesim.Limits{
		"negative burst":    {Burst: -1},
		"unknown operation": {Rates: map[string]endpoint.Limit{"push": {Requests: 1, Per: time.Second}}},
		"no period":         {Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := linesim.New(linesim.Config{Limits: limits})
			assert.ErrorContains(t, err, "Limits")
		})
	}
}

// What judges a client must not be made of it.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, dependency := range strings.Fields(string(out)) {
		if strings.HasPrefix(dependency, "github.com/lineq/lineq") {
			assert.Contains(t, []string{
				"github.com/lineq/lineq/lineapi/linesim", "github.com/lineq/lineq/lineapi/endpoint",
			}, dependency)
		}
	}
}
