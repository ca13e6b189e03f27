package manage_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
)

// crowd makes a campaign to n users, which nobody sends.
func (s *stage) crowd(t *testing.T, id string, n int) {
	t.Helper()
	report, err := s.q.Campaign(t.Context(), producer.Campaign{
		ID: id, At: time.Now().Add(time.Hour), Messages: []lineapi.Message{lineapi.Text("Hi")},
		To: func(yield func(producer.Recipient, error) bool) {
			for i := range n {
				if !yield(producer.Recipient{To: fmt.Sprintf("U%032x", i)}, nil) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	require.EqualValues(t, n, report.Recipients)
}

// An export leaves as it is read: its first rows are with the caller before the last are asked of Redis.
func TestExportStreams(t *testing.T) {
	for _, format := range []string{"text/csv", "application/x-ndjson"} {
		t.Run(format, func(t *testing.T) {
			s := newStage(t)
			const n = 20_000
			s.crowd(t, "c", n)
			front := httptest.NewServer(s)
			t.Cleanup(front.Close)
			begun := make(chan struct{})
			var reads atomic.Int32
			s.mini.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
				if strings.EqualFold(cmd, "hmget") && strings.HasSuffix(args[0], ":chunks") && reads.Add(1) > 1 {
					<-begun
				}
				return false
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", front.URL+"/lineq/v1/campaigns/c/export", nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer reader-key")
			r.Header.Set("Accept", format)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			rows := bufio.NewReader(resp.Body)
			for range 2 { // CSV begins with a header
				_, err = rows.ReadString('\n')
				require.NoError(t, err, "no row has come, after %d reads", reads.Load())
			}
			close(begun)
			rest, err := io.ReadAll(rows)
			require.NoError(t, err)
			lines := 2 + strings.Count(string(rest), "\n")
			if format == "text/csv" {
				lines--
			}
			assert.Equal(t, n, lines)
			assert.Greater(t, reads.Load(), int32(2))
		})
	}
}

// discarding is an answer that nobody keeps.
type discarding struct {
	header http.Header
	bytes  int
}

func (d *discarding) Header() http.Header { return d.header }
func (d *discarding) WriteHeader(int)     {}
func (d *discarding) Write(b []byte) (int, error) {
	d.bytes += len(b)
	return len(b), nil
}

// What an export holds at once doesn't grow with the campaign: 300,000 rows of 33 bytes and more are written.
func TestExportInBoundedMemory(t *testing.T) {
	s := newStage(t)
	const n = 300_000
	s.crowd(t, "c", n)
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is alive is what counts
	runtime.GC()
	heap := func() uint64 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return now.HeapAlloc
	}
	before, most := heap(), uint64(0)
	answered, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, heap())
			select {
			case <-answered:
				return
			case <-tick.C:
			}
		}
	}()
	r := httptest.NewRequest("GET", "/lineq/v1/campaigns/c/export", nil)
	r.Header.Set("Authorization", "Bearer reader-key")
	w := &discarding{header: http.Header{}}
	s.ServeHTTP(w, r.WithContext(t.Context()))
	close(answered)
	<-watched
	assert.Greater(t, w.bytes, n*33)
	t.Logf("%d MB of rows, %d kB at most beside what was there before", w.bytes>>20, (max(most, before)-before)>>10)
	assert.Less(t, max(most, before)-before, uint64(16<<20))
}
