package endpoint_test

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// testdata/operations.tsv lists operation, method, host, path and success statuses of line/line-openapi at 6e4c2a2.
func TestTableIsLINEsOwn(t *testing.T) {
	f, err := os.Open("testdata/operations.tsv")
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, rows)

	table := map[string]endpoint.Endpoint{}
	for _, e := range endpoint.All {
		require.NotContains(t, table, e.Operation, "listed twice")
		table[e.Operation] = e
	}
	documented := map[string]bool{"pushTemplatedNotification": true, "getTemplatedNotificationStatistics": true}
	for _, row := range rows {
		e, ok := table[row[0]]
		require.True(t, ok, "%s is missing", row[0])
		documented[row[0]] = true
		assert.Equal(t, row[1], e.Method, row[0])
		assert.Equal(t, row[2], string(e.Host), row[0])
		assert.Equal(t, row[3], e.Path, row[0])
		assert.Contains(t, strings.Split(row[4], ","), strconv.Itoa(e.OK), row[0])
	}
	for operation := range table {
		assert.True(t, documented[operation], "%s is in no document of LINE's", operation)
	}
}

// https://developers.line.biz/en/docs/messaging-api/retrying-api-request/ names exactly four.
func TestRetryKeyWorksOnFourEndpoints(t *testing.T) {
	var keyed []string
	for _, e := range endpoint.All {
		if e.Class == endpoint.RetryKey {
			keyed = append(keyed, e.Operation)
		}
	}
	assert.ElementsMatch(t, []string{"pushMessage", "multicast", "narrowcast", "broadcast"}, keyed)
}

// The published table of limits: https://developers.line.biz/en/reference/messaging-api/#rate-limits.
func TestLimits(t *testing.T) {
	hour := func(n int) endpoint.Limit { return endpoint.Limit{Requests: n, Per: time.Hour} }
	second := func(n int) endpoint.Limit { return endpoint.Limit{Requests: n, Per: time.Second} }
	for _, c := range []struct {
		e    endpoint.Endpoint
		want endpoint.Limit
	}{
		{endpoint.RichMenuBatch, hour(3)},
		{endpoint.Narrowcast, hour(60)},
		{endpoint.Broadcast, hour(60)},
		{endpoint.CreateRichMenu, hour(100)},
		{endpoint.DeleteRichMenu, hour(100)},
		{endpoint.DeleteRichMenuAlias, hour(100)},
		{endpoint.CreateAudienceGroup, endpoint.Limit{Requests: 60, Per: time.Minute}},
		{endpoint.GetRichMenuList, second(10)},
		{endpoint.ShowLoadingAnimation, second(100)},
		{endpoint.Multicast, second(200)},
		{endpoint.IssueChannelToken, second(370)},
		{endpoint.PushMessage, second(2000)},
		{endpoint.ReplyMessage, second(2000)},
		{endpoint.LinkRichMenuIdToUsers, second(2000)},
	} {
		assert.Equal(t, c.want, c.e.Limit, c.e.Operation)
	}
}

func TestMatch(t *testing.T) {
	for _, e := range endpoint.All {
		var segments []string
		for range strings.Count(e.Path, "{") {
			segments = append(segments, "x1")
		}
		got, params, ok := endpoint.Match(e.Method, e.Host, e.Expand(segments...))
		require.True(t, ok, e.Operation)
		assert.Equal(t, e, got)
		assert.Equal(t, segments, params)
	}

	for name, c := range map[string]struct {
		method, path, operation string
	}{
		"a literal wins over a parameter":    {"GET", "/v2/bot/richmenu/list", "getRichMenuList"},
		"all is the default menu":            {"DELETE", "/v2/bot/user/all/richmenu", "cancelDefaultRichMenu"},
		"a method of its own":                {"PUT", "/v2/bot/message/push", ""},
		"an empty parameter is no parameter": {"DELETE", "/v2/bot/user//richmenu", ""},
		"a trailing slash is another path":   {"POST", "/v2/bot/message/push/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, _, ok := endpoint.Match(c.method, endpoint.API, c.path)
			assert.Equal(t, c.operation != "", ok)
			assert.Equal(t, c.operation, e.Operation)
		})
	}
}

func TestExpandPanicsOnAMiscount(t *testing.T) {
	assert.Panics(t, func() { endpoint.GetProfile.Expand() })
	assert.Panics(t, func() { endpoint.GetProfile.Expand("a", "b") })
}

func TestRepeatable(t *testing.T) {
	for class, want := range map[endpoint.Class]bool{
		endpoint.Read: true, endpoint.RetryKey: true, endpoint.ResumeKey: true, endpoint.AlreadyDone: true,
		endpoint.LastWins: true, endpoint.Idempotent: true,
		endpoint.OneShot: false, endpoint.NotRepeatable: false, endpoint.Destructive: false,
		"": false, "a class of tomorrow": false,
	} {
		assert.Equal(t, want, class.Repeatable(), class)
	}
}
