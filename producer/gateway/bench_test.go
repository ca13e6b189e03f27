package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
)

// What a push costs here, apart from net/http's server: go test -bench Push ./producer/gateway.
func BenchmarkPush(b *testing.B) {
	rdb := redistest.Start(b, "--appendonly", "no").Client(b)
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true})
	require.NoError(b, err)
	limiter, err := limit.New(limit.Config{Redis: rdb})
	require.NoError(b, err)
	g, err := gateway.New(gateway.Config{Redis: rdb, Producer: q, Limiter: limiter, Channels: map[string]gateway.Channel{
		tasks.DefaultChannel: {CallerTokens: []string{"token"}, Token: lineapi.StaticToken("token")},
	}})
	require.NoError(b, err)
	const body = `{"to":"U0123456789abcdef0123456789abcdef","messages":[{"type":"text","text":"Your order has shipped."}]}`
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, "/v2/bot/message/push", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer token")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Error(w.Body)
				return
			}
		}
	})
}
