package worker_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/worker"
)

// goneConn is a connection that was accepted and then closed by the other side.
type goneConn struct{ net.Conn }

func (goneConn) Write(b []byte) (int, error)      { return len(b), nil }
func (goneConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (goneConn) Close() error                     { return nil }
func (goneConn) SetDeadline(time.Time) error      { return nil }
func (goneConn) SetReadDeadline(time.Time) error  { return nil }
func (goneConn) SetWriteDeadline(time.Time) error { return nil }
func (goneConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (goneConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }

// TestGoneConnections: where a connection is lost in its handshake, the repeat takes another one. go-redis alone would go
// on with the lost one until all repeats are used up.
func TestGoneConnections(t *testing.T) {
	for name, set := range map[string]func(*redis.UniversalOptions){
		"plain":                 func(*redis.UniversalOptions) {},
		"password and database": func(o *redis.UniversalOptions) { o.Password, o.DB = "secret", 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const wanted = 5
				var dialled []time.Time
				ctx, enough := context.WithCancel(t.Context())
				o := worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{"192.0.2.1:6379"}})
				set(o)
				o.Dialer = func(context.Context, string, string) (net.Conn, error) {
					if dialled = append(dialled, time.Now()); len(dialled) == wanted {
						enough()
					}
					return goneConn{}, nil
				}
				rdb := redis.NewUniversalClient(o)
				client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(linesim.DefaultChannel.Token)})
				require.NoError(t, err)
				_, err = worker.New(worker.Config{
					Redis: rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client},
				})
				require.NoError(t, err)

				require.Error(t, rdb.Ping(ctx).Err())
				require.NoError(t, rdb.Close())
				require.Len(t, dialled, wanted)
				for i := range wanted - 1 {
					assert.LessOrEqual(t, dialled[i+1].Sub(dialled[i]), o.MaxRetryBackoff, "until repeat %d", i+1)
				}
			})
		})
	}
}
