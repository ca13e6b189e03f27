package campaign

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// Pace is how many recipients of a campaign were decided when. Whoever counts as unknown at first and as sent later, since
// LINE said so after all, stands where the first of both was known: the sum is always sent + failed + unknown, but for a
// campaign that a version without it has begun.
type Pace struct {
	// Start is when the first bucket begins; zero: nobody is decided. Buckets are whole parts of the time since 1970.
	Start time.Time
	// Bucket is how long each of them lasts: a second, and twice as long whenever there would be more than 240.
	Bucket time.Duration
	// Decided are the buckets without a gap, up to the last in which somebody was.
	Decided []int64
	// Now is Redis's clock at the time of reading, by which all this goes.
	Now time.Time
}

// Pace reads how fast a campaign has gone, or fails with ErrNotFound. It is kept as long as the counts.
func (s *Store) Pace(ctx context.Context, id string) (Pace, error) {
	if err := tasks.CheckID(id); err != nil {
		return Pace{}, err
	}
	var fields *redis.SliceCmd
	var now *redis.TimeCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		fields, now = p.HMGet(ctx, keysOf(id).state, "state", "pace", "paced"), p.Time(ctx)
		return nil
	})
	if err == nil && fields.Val()[0] == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Pace{}, fmt.Errorf("campaign %s: %w", id, err)
	}
	p := Pace{Now: now.Val().UTC()}
	current, _ := fields.Val()[1].(string)
	past, _ := fields.Val()[2].(string)
	var head [4]int64 // width, first, last, decided in the last
	if current == "" {
		return p, nil
	}
	for i, word := range strings.Fields(current) {
		if i < len(head) {
			head[i], _ = strconv.ParseInt(word, 10, 64)
		}
	}
	p.Bucket, p.Start = time.Duration(head[0])*time.Millisecond, time.UnixMilli(head[0]*head[1]).UTC()
	for word := range strings.FieldsSeq(past) {
		n, _ := strconv.ParseInt(word, 10, 64)
		p.Decided = append(p.Decided, n)
	}
	p.Decided = append(p.Decided, head[3])
	return p, nil
}

// End is when the last bucket ends, which may be to come.
func (p Pace) End() time.Time { return p.Start.Add(time.Duration(len(p.Decided)) * p.Bucket) }

// recently is what Recent looks at, at least.
const recently = 10 * time.Second

// Recent is how many were decided a second of late: within about ten seconds, or two buckets where those are longer.
func (p Pace) Recent() float64 {
	if len(p.Decided) == 0 {
		return 0
	}
	from := p.Now.Add(-max(recently, 2*p.Bucket))
	var n int64
	begin := p.Now
	for i, c := range p.Decided {
		if at := p.Start.Add(time.Duration(i) * p.Bucket); !at.Before(from) {
			n += c
			begin = minTime(begin, at)
		}
	}
	if last := p.End(); last.Before(p.Now) {
		begin = minTime(begin, from) // nothing since is part of it
	}
	return float64(n) / max(p.Now.Sub(begin), time.Second).Seconds()
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
