package chunk_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

func TestWhatIsPackedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, chunk.Max).Draw(t, "n")
		c := chunk.Chunk{
			Prefix:   rapid.SampledFrom([]byte("UCR")).Draw(t, "prefix"),
			Template: rapid.IntRange(0, chunk.MaxTemplates-1).Draw(t, "template"),
			IDs:      rapid.SliceOfN(rapid.Byte(), n*chunk.IDSize, n*chunk.IDSize).Draw(t, "ids"),
			Columns:  rapid.IntRange(0, 3).Draw(t, "columns"),
		}
		if c.Columns > 0 {
			few := rapid.SliceOfN(rapid.String(), 1, 20).Draw(t, "values")
			for i := range n * c.Columns {
				c.Values = append(c.Values, few[i%len(few)])
			}
		}
		before := []byte("before")
		b, err := c.Append(before)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, before))
		b = b[len(before):]
		got, err := chunk.Parse(b)
		require.NoError(t, err)
		require.Equal(t, c, got)
		require.Equal(t, n, got.Len())

		i := rapid.IntRange(0, n-1).Draw(t, "i")
		require.Equal(t, string(c.Prefix)+hex.EncodeToString(c.IDs[i*16:i*16+16]), got.To(i))
		require.Equal(t, c.Values[i*c.Columns:(i+1)*c.Columns], got.Row(i)[:c.Columns:c.Columns])
		found := chunk.Find(b, c.Prefix, chunk.ID(c.IDs[i*16:]))
		require.LessOrEqual(t, found, i, "the first place counts")
		require.Equal(t, c.IDs[i*16:i*16+16], c.IDs[found*16:found*16+16])
	})
}

func TestFindKnowsWhoIsNotThere(t *testing.T) {
	b, err := (&chunk.Chunk{Prefix: 'U', IDs: make([]byte, 32)}).Append(nil)
	require.NoError(t, err)
	assert.Equal(t, 0, chunk.Find(b, 'U', chunk.ID{}))
	assert.Equal(t, -1, chunk.Find(b, 'C', chunk.ID{}))
	assert.Equal(t, -1, chunk.Find(b, 'U', chunk.ID{1}))
	assert.Equal(t, -1, chunk.Find(b[:20], 'U', chunk.ID{}))
	assert.Equal(t, -1, chunk.Find(nil, 'U', chunk.ID{}))
}

func TestAppendRefuses(t *testing.T) {
	two := make([]byte, 2*chunk.IDSize)
	for name, c := range map[string]chunk.Chunk{
		"no recipients":            {Prefix: 'U'},
		"too many recipients":      {Prefix: 'U', IDs: make([]byte, (chunk.Max+1)*chunk.IDSize)},
		"half an id":               {Prefix: 'U', IDs: two[:24]},
		"another prefix":           {Prefix: 'X', IDs: two},
		"a value too few":          {Prefix: 'U', IDs: two, Columns: 2, Values: []string{"a", "b", "c"}},
		"values without a column":  {Prefix: 'U', IDs: two, Values: []string{"a", "b"}},
		"too many columns":         {Prefix: 'U', IDs: two, Columns: 101, Values: make([]string, 202)},
		"too many templates":       {Prefix: 'U', IDs: two, Template: chunk.MaxTemplates},
		"a megabyte, and then two": {Prefix: 'U', IDs: two, Columns: 1, Values: []string{"", strings.Repeat("x", 2<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := c.Append([]byte("before"))
			require.ErrorContains(t, err, "chunk: ")
			assert.Equal(t, "before", string(b))
		})
	}
}

func TestTheMostThatAChunkHolds(t *testing.T) {
	c := chunk.Chunk{
		Prefix: 'U', IDs: make([]byte, chunk.Max*chunk.IDSize), Columns: chunk.MaxColumns,
		Values: make([]string, chunk.Max*chunk.MaxColumns),
	}
	for i := range c.Values {
		c.Values[i] = strings.Repeat("x", 20)
	}
	c.Values[0] = strings.Repeat("x", chunk.MaxText-20*(len(c.Values)-1))
	b, err := c.Append(nil)
	require.NoError(t, err)
	got, err := chunk.Parse(b)
	require.NoError(t, err)
	assert.Equal(t, c, got)
}

func TestPlainIDsFitIntoASizeOfRedis(t *testing.T) {
	b, err := (&chunk.Chunk{Prefix: 'U', Template: 99, IDs: make([]byte, chunk.Max*chunk.IDSize)}).Append(nil)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(b), 8180)
}

func TestChunksOfEarlierVersionsCanBeRead(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.hex")
	require.NoError(t, err)
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	got, err := chunk.Parse(b)
	require.NoError(t, err)
	assert.Equal(t, vector(), got)
}

// vector is what testdata/v1.hex holds.
func vector() chunk.Chunk {
	c := chunk.Chunk{Prefix: 'U', Template: 1, Columns: 2}
	for i := range 3 {
		c.IDs = append(c.IDs, bytes.Repeat([]byte{byte(i)}, chunk.IDSize)...)
		c.Values = append(c.Values, fmt.Sprintf("葵%d", i), "")
	}
	return c
}

func TestIDs(t *testing.T) {
	const user = "U0123456789abcdef0123456789abcdef"
	prefix, id, ok := chunk.ParseID(user)
	require.True(t, ok)
	assert.Equal(t, byte('U'), prefix)
	assert.Equal(t, strings.Repeat("\x01\x23\x45\x67\x89\xab\xcd\xef", 2), string(id[:]))
	assert.Equal(t, user, string(chunk.AppendID(nil, prefix, id)))
	assert.Zero(t, testing.AllocsPerRun(10, func() { chunk.ParseID(user) }))
}

func TestIDsAreThoseThatLINETakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.StringMatching(`[UCR][0-9a-f]{32}`), rapid.StringMatching(`[A-Za-z][0-9a-gA-F\x00é]{31,33}`),
			rapid.String(),
		).Draw(t, "id")
		_, _, ok := chunk.ParseID(id)
		require.Equal(t, lineapi.CheckChatID(id) == nil, ok, "%q", id)
	})
}

func FuzzParse(f *testing.F) {
	for _, c := range []chunk.Chunk{vector(), {Prefix: 'R', IDs: make([]byte, 48)}} {
		b, err := c.Append(nil)
		require.NoError(f, err)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte("\x01U\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		chunk.Find(b, 'U', chunk.ID{})
		c, err := chunk.Parse(b)
		if err != nil {
			return
		}
		again, err := c.Append(nil)
		require.NoError(t, err)
		same, err := chunk.Parse(again)
		require.NoError(t, err)
		require.Equal(t, c, same)
	})
}

func named(n int) chunk.Chunk {
	c := chunk.Chunk{Prefix: 'U', IDs: make([]byte, n*chunk.IDSize), Columns: 1}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		name := make([]byte, 6+r.IntN(5))
		for i := range name {
			name[i] = byte('a' + r.IntN(26))
		}
		c.Values = append(c.Values, string(name))
	}
	return c
}

func BenchmarkAppend(b *testing.B) {
	plain, values := chunk.Chunk{Prefix: 'U', IDs: make([]byte, chunk.Max*chunk.IDSize)}, named(chunk.Max)
	for name, c := range map[string]chunk.Chunk{"plain": plain, "named": values} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = c.Append(dst[:0])
			}
			b.ReportMetric(float64(len(dst))/chunk.Max, "bytes/recipient")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	plain, values := chunk.Chunk{Prefix: 'U', IDs: make([]byte, chunk.Max*chunk.IDSize)}, named(chunk.Max)
	for name, c := range map[string]chunk.Chunk{"plain": plain, "named": values} {
		packed, err := c.Append(nil)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = chunk.Parse(packed)
			}
		})
	}
}

func BenchmarkParseID(b *testing.B) {
	for b.Loop() {
		chunk.ParseID("U0123456789abcdef0123456789abcdef")
	}
}
