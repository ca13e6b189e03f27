package campaign

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// Retention is how long an ended campaign is kept.
type Retention struct {
	Recipients time.Duration // the recipients with their outcomes, and the message; zero: 7 days
	Counts     time.Duration // what Summary tells; zero: 90 days
}

// Store reads and writes campaigns. It is safe for concurrent use.
type Store struct {
	rdb       redis.UniversalClient
	retention Retention
}

// New returns a store on rdb.
func New(rdb redis.UniversalClient, r Retention) *Store {
	if r.Recipients == 0 {
		r.Recipients = 7 * 24 * time.Hour
	}
	if r.Counts == 0 {
		r.Counts = 90 * 24 * time.Hour
	}
	return &Store{rdb, r}
}

// keys of one campaign.
type keys struct{ state, message, chunks, odd, units, open, wait, errors string }

func keysOf(id string) keys {
	k := "lineq:{c:" + id + "}:"
	return keys{k + "state", k + "message", k + "chunks", k + "odd", k + "units", k + "open", k + "wait", k + "errors"}
}

// all are the keys in the order in which scripts take them.
func (k keys) all() []string {
	return []string{k.state, k.message, k.chunks, k.odd, k.units, k.open, k.wait, k.errors}
}

const (
	// index is a sorted set of all campaigns, "<channel>/<id>", by when they were sealed, Unix seconds.
	index = "lineq:campaigns"
	// unended is the set of those that a worker has to look after, "<channel>/<id>".
	unended = "lineq:campaigns:unended"
)

// changed begins a message on [tasks.Bell] about a campaign.
const changed = "campaign:"

// ring tells the workers that a campaign has changed. Who doesn't hear it looks within a second.
func (s *Store) ring(ctx context.Context, channel, id string) {
	s.rdb.Publish(ctx, tasks.Bell, changed+channel+"/"+id)
}

func newToken() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
