package producer

import (
	"context"
	"sync"

	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// Chunks are written in batches of so many recipients or bytes of values, which is a few hundred KB, or chunks, which a
// script takes as its arguments.
const (
	batchRecipients = 32 * chunk.Max
	batchText       = chunk.MaxText
	batchChunks     = 1000
)

// writers pack and write batches: two, so that one packs while the other waits for Redis.
const writers = 2

// growing is a chunk that is being filled.
type growing struct {
	chunk.Chunk
	text int // bytes of values
}

// freezer writes chunks to Redis in the background. All its methods are for one goroutine.
type freezer struct {
	draft   *campaign.Draft
	batches chan batch
	batch   batch
	all     sync.WaitGroup
	fail    context.CancelCauseFunc
	pool    sync.Pool // of *growing
}

// batch is what one write takes: chunks with numbers that follow one another.
type batch struct {
	first            int
	chunks           []*growing
	recipients, text int
}

// newFreezer starts the writers. When one fails, it calls fail, which ends the context, and nothing more is written. end
// must be called.
func newFreezer(ctx context.Context, fail context.CancelCauseFunc, d *campaign.Draft) *freezer {
	f := &freezer{
		draft: d, batches: make(chan batch), fail: fail,
		pool: sync.Pool{New: func() any { return &growing{} }},
	}
	for range writers {
		f.all.Go(func() { f.write(ctx) })
	}
	return f
}

// chunk returns an empty one.
func (f *freezer) chunk(prefix byte, template, columns int) *growing {
	c := f.pool.Get().(*growing)
	c.Chunk = chunk.Chunk{Prefix: prefix, Template: template, Columns: columns, IDs: c.IDs[:0], Values: c.Values[:0]}
	c.text = 0
	return c
}

// put has a chunk written, as the one whose number follows the last one's. It may wait for the writers.
func (f *freezer) put(c *growing) {
	b := &f.batch
	b.chunks = append(b.chunks, c)
	b.recipients += c.Len()
	b.text += c.text
	if b.recipients >= batchRecipients || b.text >= batchText || len(b.chunks) == batchChunks {
		f.flush()
	}
}

func (f *freezer) flush() {
	if len(f.batch.chunks) == 0 {
		return
	}
	f.batches <- f.batch
	f.batch = batch{first: f.batch.first + len(f.batch.chunks)}
}

// end waits until all that was flushed is written, or until nothing is written any more.
func (f *freezer) end() {
	close(f.batches)
	f.all.Wait()
}

func (f *freezer) write(ctx context.Context) {
	var buffer []byte
	var packed [][]byte
	for b := range f.batches {
		if ctx.Err() != nil {
			continue
		}
		var err error
		if buffer, packed, err = b.pack(buffer[:0], packed[:0]); err == nil {
			err = within(ctx, func() error { return f.draft.Append(ctx, b.first, packed...) })
		}
		if err != nil {
			f.fail(err)
			continue // the chunks and the buffer may still be in use
		}
		for _, c := range b.chunks {
			clear(c.Values) // they hold the rows that they are a part of
			f.pool.Put(c)
		}
	}
}

// pack appends the chunks to the buffer, of which packed are the parts.
func (b *batch) pack(buffer []byte, packed [][]byte) ([]byte, [][]byte, error) {
	ends := make([]int, len(b.chunks))
	for i, c := range b.chunks {
		var err error
		if buffer, err = c.Append(buffer); err != nil {
			return buffer, packed, err
		}
		ends[i] = len(buffer)
	}
	start := 0
	for _, end := range ends {
		packed = append(packed, buffer[start:end:end])
		start = end
	}
	return buffer, packed, nil
}
