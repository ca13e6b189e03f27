package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// What lineq campaign export prints leaves while the rest is still in Redis.
func TestCampaignExportStreams(t *testing.T) {
	m, _ := redistest.Mini(t)
	c := cli{t, map[string]string{"LINEQ_REDIS": "redis://" + m.Addr()}}
	const n = 20_000
	var rows strings.Builder
	rows.WriteString("to\n")
	for i := range n {
		fmt.Fprintf(&rows, "U%032x\n", i)
	}
	c.ok("campaign", "send", "--audience", file(t, "users.csv", rows.String()), "--in", "1h", "--id", "sale",
		"--message", file(t, "hi.json", `{"type":"text","text":"`+secretText+`"}`))
	for _, format := range []string{"csv", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			begun := make(chan struct{})
			var reads atomic.Int32
			m.Server().SetPreHook(func(_ *server.Peer, cmd string, args ...string) bool {
				if strings.EqualFold(cmd, "hmget") && strings.HasSuffix(args[0], ":chunks") && reads.Add(1) > 1 {
					<-begun
				}
				return false
			})
			read, write := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				err := run(context.WithoutCancel(t.Context()), []string{"campaign", "export", "sale", "--format", format},
					func(name string) string { return c.env[name] }, strings.NewReader(""), write, io.Discard)
				write.Close()
				ended <- err
			}()
			stuck := time.AfterFunc(time.Minute, func() { read.CloseWithError(io.ErrUnexpectedEOF) })
			defer stuck.Stop()
			lines := bufio.NewScanner(read)
			for range 2 { // CSV begins with a header
				require.True(t, lines.Scan(), "no row has come, after %d reads", reads.Load())
			}
			close(begun)
			got := 2
			for lines.Scan() {
				got++
			}
			require.NoError(t, lines.Err())
			require.NoError(t, <-ended)
			if format == "csv" {
				got--
			}
			assert.Equal(t, n, got)
		})
	}
}

// How long things are kept is what the flags say, from the moment at which they end.
func TestRetain(t *testing.T) {
	line, _ := newLINE(t)
	c, rdb := withMini(t)
	c.env["LINEQ_LINE_ORIGIN"], c.env["LINE_CHANNEL_ACCESS_TOKEN"] = line, secretToken
	work := c.start("worker", "--retain-sent", "30h", "--retain-failed", "5h")
	work.await("worker started")
	message := file(t, "hi.json", `{"type":"text","text":"`+secretText+`"}`)
	users := file(t, "users.csv", "to\n"+user+"\n"+other+"\n")
	// kept waits until a key has a time to live.
	kept := func(key string, want time.Duration) {
		t.Helper()
		var left time.Duration
		require.Eventually(t, func() bool {
			left = rdb.PTTL(t.Context(), key).Val()
			return left > 0
		}, time.Minute, 10*time.Millisecond, key)
		assert.InDelta(t, want.Hours(), left.Hours(), 0.1, key)
	}

	c.ok("send", "push", "--to", user, "--text", secretText, "--id", "sent", "--wait")
	kept("lineq:{default:t:sent}", 30*time.Hour)
	o := c.run("send", "reply", "--to", secretReply, "--text", secretText, "--id", "failed", "--wait")
	require.Equal(t, 1, o.code)
	kept("lineq:{default:t:failed}", 5*time.Hour)

	for name, test := range map[string]struct {
		args []string
		want time.Duration
	}{"usual": {nil, 7 * 24 * time.Hour}, "short": {[]string{"--retain", "2h"}, 2 * time.Hour}} {
		args := append([]string{"campaign", "send", "--audience", users, "--message", message, "--id", name}, test.args...)
		c.ok(args...)
		for _, part := range []string{"message", "chunks", "units"} {
			kept("lineq:{c:"+name+"}:"+part, test.want)
		}
		kept("lineq:{c:"+name+"}:state", 90*24*time.Hour)
		assert.Contains(t, c.ok("campaign", "export", name), user)
	}
	// One that nobody has sent yet is kept for as long as it takes.
	c.ok("campaign", "send", "--audience", users, "--message", message, "--id", "later", "--in", "24h", "--retain", "2h")
	for _, part := range []string{"message", "chunks", "state"} {
		assert.EqualValues(t, -1, rdb.PTTL(t.Context(), "lineq:{c:later}:"+part).Val(), part)
	}
	c.ok("campaign", "cancel", "later")
	kept("lineq:{c:later}:chunks", 2*time.Hour)
	o = c.run("campaign", "send", "--audience", users, "--message", message, "--retain", "30m")
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "--retain must be 1h at least")
	require.NoError(t, work.stop())
}
