package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

const (
	// wrkSeconds is how long wrk asks each of the two in a round.
	wrkSeconds = 8
	// wrkScript sends one push again and again.
	wrkScript = `wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer gateway-token"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"to":"U0123456789abcdef0123456789abcdef","messages":[{"type":"text","text":"Your order 4711 has shipped and arrives tomorrow."}]}'
`
	gatewayToken = "gateway-token"
)

// connections of wrk, one row for each.
var connections = []int{16, 128, 512}

// measureGateway lets wrk send pushes to a gateway and to a handler that only enqueues, in turns. Nobody takes the tasks
// out of Redis, which is emptied before each turn.
func measureGateway(ctx context.Context, b *bench) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		b.say("   n SKIPPED: it needs wrk on the PATH (Debian: apt-get install wrk)")
		return nil
	}
	rdb, err := startRedis()
	if err != nil {
		return err
	}
	defer rdb.stop()
	for _, n := range connections {
		all := map[string]*asked{"handler": {}, "gateway": {}}
		for round := range b.rounds {
			for _, as := range []string{"handler", "gateway"} {
				if err := rdb.FlushAll(ctx).Err(); err != nil {
					return err
				}
				if err := all[as].round(ctx, child{As: as, Redis: rdb.addr}, rdb, n); err != nil {
					return fmt.Errorf("%s: %w", as, err)
				}
				b.say("   %d/%d %s, %d connections: %.0f/s", round+1, b.rounds, as, n, all[as].rates[round])
			}
		}
		for _, as := range []string{"handler", "gateway"} {
			x := all[as]
			r := row{
				Part: "n" + strconv.Itoa(n), What: "gateway, pushes accepted, " + strconv.Itoa(n) + " connections",
				Value: median(x.rates), Unit: "requests/s", Least: slices.Min(x.rates), Most: slices.Max(x.rates),
				Notes: []string{
					fmt.Sprintf("p99 %.1f ms", median(x.p99)),
					fmt.Sprintf("processor: server %.0f µs, Redis %.0f µs", median(x.cpu), median(x.redisCPU)),
				},
			}
			if as == "handler" {
				r.Part += "h"
				r.What = "bare handler, one asynq Enqueue, " + strconv.Itoa(n) + " connections"
			} else {
				r.Ratios = []ratio{{r.Part + "h", median(x.rates) / median(all["handler"].rates)}}
			}
			b.rows = append(b.rows, r)
		}
	}
	return nil
}

// asked is what wrk has found out about one of the two, of each round.
type asked struct {
	rates, p99    []float64 // requests a second that were accepted, and their latency in milliseconds
	cpu, redisCPU []float64 // processor time in µs for each
}

// round runs wrk once.
func (a *asked) round(ctx context.Context, c child, rdb *redisServer, connections int) (err error) {
	p, err := c.start()
	if err != nil {
		return err
	}
	n := 0.0
	defer func() {
		used, stopped := p.stop()
		if err == nil {
			err = stopped
		}
		a.cpu = append(a.cpu, used.Seconds()*1e6/max(n, 1))
	}()
	addr, err := bufio.NewReader(p.stdout).ReadString('\n')
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lineqbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "push.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o600); err != nil {
		return err
	}
	before, err := rdb.processorTime(ctx)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(wrkSeconds)+"s",
		"--latency", "-s", script, "http://"+strings.TrimSpace(addr)+"/v2/bot/message/push").Output()
	if err != nil {
		return err
	}
	after, err := rdb.processorTime(ctx)
	if err != nil {
		return err
	}
	rate, p99, err := readWRK(out)
	n = rate * wrkSeconds
	a.rates, a.p99 = append(a.rates, rate), append(a.p99, p99)
	a.redisCPU = append(a.redisCPU, (after-before).Seconds()*1e6/max(n, 1))
	return err
}

var (
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkLatency = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
)

func readWRK(out []byte) (rate, p99 float64, err error) {
	if bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return 0, 0, fmt.Errorf("not all were accepted:\n%s", out)
	}
	r, l := wrkRate.FindSubmatch(out), wrkLatency.FindSubmatch(out)
	if r == nil || l == nil {
		return 0, 0, fmt.Errorf("wrk says something else:\n%s", out)
	}
	rate, _ = strconv.ParseFloat(string(r[1]), 64)
	p99, _ = strconv.ParseFloat(string(l[1]), 64)
	return rate, p99 * map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(l[2])], nil
}

// serve is the other process: it prints its address, and serves until ctx ends.
func (c child) serve(ctx context.Context, stdout io.Writer) error {
	rdb := redis.NewClient(&redis.Options{Addr: c.Redis})
	defer rdb.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, l.Addr())
	if c.As == "handler" {
		return serveHandler(ctx, l, rdb)
	}
	debug.SetGCPercent(gateway.GCPercent)
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true})
	if err != nil {
		return err
	}
	limiter, err := limit.New(limit.Config{Redis: rdb})
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Redis: rdb, Producer: q, Limiter: limiter,
		Channels: map[string]gateway.Channel{
			tasks.DefaultChannel: {CallerTokens: []string{gatewayToken}, Token: lineapi.StaticToken(gatewayToken)},
		},
	})
	if err != nil {
		return err
	}
	return g.Serve(ctx, l, time.Second)
}

// serveHandler is what one would write: it takes the body as it is, and checks nothing.
func serveHandler(ctx context.Context, l net.Listener, rdb *redis.Client) error {
	client := asynq.NewClientFromRedisClient(rdb)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = client.EnqueueContext(r.Context(), asynq.NewTask("push", body))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
