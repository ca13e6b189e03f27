package campaign_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// model drives a campaign through anything that workers, operators and time can do to it, and keeps LINE's own book.
type model struct {
	*rapid.T
	mini     *miniredis.Miniredis
	store    *campaign.Store
	now      time.Time
	to       []string
	chunks   [][]string
	epoch    int
	lanes    map[int]campaign.Lane
	runs     int
	passes   []livePass
	accepted map[string]time.Time // LINE's: retry keys, by when they were accepted
	received map[string]int       // how often LINE sent to each
	lastSent int64
}

type livePass struct {
	unit   campaign.Unit
	closed campaign.Closing // what its worker will say
}

const id = "spring"

func newModel(t *rapid.T, mini *miniredis.Miniredis, store *campaign.Store) *model {
	mini.FlushAll()
	m := &model{
		T: t, mini: mini, store: store, now: time.Unix(1_800_000_000, 0), lanes: map[int]campaign.Lane{},
		accepted: map[string]time.Time{}, received: map[string]int{}, epoch: 1,
	}
	mini.SetTime(m.now)
	mode := rapid.SampledFrom([]campaign.Mode{campaign.Push, campaign.Multicast}).Draw(t, "mode")
	size := rapid.IntRange(1, 150).Draw(t, "size of a chunk")
	d, err := store.Draft(t.Context(), tasks.DefaultChannel, id, campaign.Plan{
		Mode: mode, Templates: []campaign.Template{{Messages: []lineapi.Message{lineapi.Text("hi")}}},
		MaxFailures: rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "failures"),
	})
	require.NoError(t, err)
	var odd []campaign.Odd
	for _, prefix := range []byte("UC") {
		left := rapid.IntRange(0, 3*size).Draw(t, "recipients of "+string(prefix))
		for left > 0 {
			n := min(left, size)
			c := chunk.Chunk{Prefix: prefix}
			var ids []string
			for range n {
				raw := chunk.ID{byte(len(m.to) >> 8), byte(len(m.to))}
				c.IDs = append(c.IDs, raw[:]...)
				ids = append(ids, string(chunk.AppendID(nil, prefix, raw)))
				m.to = append(m.to, ids[len(ids)-1])
			}
			b, err := c.Append(nil)
			require.NoError(t, err)
			require.NoError(t, d.Append(t.Context(), len(m.chunks), b))
			how := mode
			if prefix == 'C' {
				how = campaign.Push
			}
			if n < size || how != mode {
				odd = append(odd, campaign.Odd{Chunk: len(m.chunks), Size: n, Mode: how})
			}
			m.chunks = append(m.chunks, ids)
			left -= n
		}
	}
	_, err = d.Seal(t.Context(), size, len(m.chunks), odd, campaign.Totals{Recipients: int64(len(m.to))})
	require.NoError(t, err)
	if len(m.to) > 0 {
		var allow *int64
		if rapid.IntRange(0, 4).Draw(t, "partial") == 0 {
			n := rapid.Int64Range(1, int64(len(m.to))).Draw(t, "allowed")
			allow = &n
		}
		require.NoError(t, store.Start(t.Context(), id, campaign.Forecast{}, allow))
	}
	return m
}

// look is what a worker does once a second.
func (m *model) look() {
	l, err := m.store.Look(m.Context(), id, true)
	require.NoError(m, err)
	switch l.Need {
	case campaign.NeedsLanes:
		m.epoch = l.Epoch
		m.lanes = map[int]campaign.Lane{}
	case campaign.NeedsPreflight:
		require.NoError(m, m.store.Start(m.Context(), id, campaign.Forecast{}, nil))
	}
}

// lane takes a lane over, perhaps from another worker.
func (m *model) lane() {
	n := rapid.IntRange(0, 2).Draw(m.T, "lane")
	l, had := m.lanes[n]
	m.runs++
	if !had || rapid.Bool().Draw(m.T, "next run") {
		l = campaign.Lane{ID: id, Epoch: m.epoch, Lane: n, Run: l.Run + 1}
	}
	l.Worker = fmt.Sprintf("w%d", m.runs)
	_, ours, err := m.store.BeginLane(m.Context(), l)
	require.NoError(m, err)
	if ours {
		m.lanes[n] = l
	}
}

func (m *model) claim() {
	n := rapid.IntRange(0, 2).Draw(m.T, "lane")
	l, ok := m.lanes[n]
	if !ok {
		m.Skip("no such lane")
	}
	c, err := m.store.Claim(m.Context(), l, campaign.Wish{
		Units: rapid.IntRange(1, 3).Draw(m.T, "units"), Most: rapid.IntRange(1, 64).Draw(m.T, "most"), Lease: 30 * time.Second,
	})
	require.NoError(m, err)
	for _, u := range c.Units {
		m.passes = append(m.passes, livePass{u, m.send(u)})
	}
}

// send makes some of a unit's requests, as far as its worker comes, and returns what the worker then says.
func (m *model) send(u campaign.Unit) campaign.Closing {
	c := campaign.Closing{Again: time.Duration(rapid.IntRange(0, 20).Draw(m.T, "again")) * time.Second}
	first := u.First
	for i, part := range u.Parts {
		before := part.Status
		tries := before == campaign.Open
		if before == campaign.Pending && first > 0 {
			first--
			tries = true
		}
		require.False(m, u.OpenOnly && tries && before != campaign.Open)
		if !tries {
			c.Parts = append(c.Parts, part)
			continue
		}
		pieces := m.try(u, i, &part)
		if pieces != nil {
			c.Split = true
			c.Parts = append(c.Parts, pieces...)
		} else {
			c.Parts = append(c.Parts, part)
		}
	}
	return c
}

func (m *model) try(u campaign.Unit, i int, part *campaign.Part) (split []campaign.Part) {
	before := part.Status
	refused := func() {
		switch {
		case before == campaign.Open:
			part.Status, part.Reason = campaign.Unknown, lineapi.Invalid
		case u.Pushes || part.Recipients == 1:
			part.Status, part.Reason = campaign.Failed, lineapi.Invalid
		case rapid.Bool().Draw(m.T, "culprit named"):
			one, rest := part.Path.Drop(rapid.IntRange(0, part.Recipients-1).Draw(m.T, "culprit"), part.Recipients)
			one.Status, one.Reason = campaign.Failed, lineapi.Invalid
			split = []campaign.Part{one, rest}
		default:
			left, right := part.Path.Halves(part.Recipients)
			split = []campaign.Part{left, right}
		}
	}
	switch rapid.SampledFrom([]string{"accepted", "accepted", "accepted", "lost", "never came", "later", "refused"}).Draw(m.T, "answer") {
	case "accepted":
		part.Status = campaign.Sent
		if m.accept(u, i) {
			part.Status = campaign.Replayed
		}
	case "lost":
		m.accept(u, i)
		part.Status = campaign.Open
	case "never came":
		part.Status = campaign.Open
	case "refused":
		if _, there := m.accepted[m.key(u, i)]; !there {
			refused()
		} else {
			m.accept(u, i)
			part.Status = campaign.Replayed
		}
	}
	return split
}

func (m *model) key(u campaign.Unit, i int) string {
	return fmt.Sprintf("%s %d", u.RequestName(i), u.Generation)
}

// accept is LINE's side: a key that it remembers does nothing again.
func (m *model) accept(u campaign.Unit, i int) (replayed bool) {
	key := m.key(u, i)
	if at, there := m.accepted[key]; there && m.now.Sub(at) < 24*time.Hour {
		return true
	}
	m.accepted[key] = m.now
	to := m.chunks[u.Chunk]
	if u.Pushes {
		to = to[u.Place+i : u.Place+i+1]
	} else {
		var err error
		to, err = campaign.Apply(u.Parts[i].Path, to)
		require.NoError(m, err)
		require.Len(m, to, u.Parts[i].Recipients)
	}
	for _, r := range to {
		m.received[r]++
	}
	return false
}

// hand writes down what became of some pass: it may come late, and twice.
func (m *model) hand() {
	if len(m.passes) == 0 {
		m.Skip("no pass")
	}
	i := rapid.IntRange(0, len(m.passes)-1).Draw(m.T, "pass")
	p := m.passes[i]
	_, _, err := m.store.Close(m.Context(), id, p.unit, p.closed)
	require.NoError(m, err)
	if rapid.Bool().Draw(m.T, "for good") {
		m.passes = append(m.passes[:i:i], m.passes[i+1:]...)
	}
}

func (m *model) die() {
	if len(m.passes) == 0 {
		m.Skip("no pass")
	}
	i := rapid.IntRange(0, len(m.passes)-1).Draw(m.T, "pass")
	m.passes = append(m.passes[:i:i], m.passes[i+1:]...)
}

func (m *model) wait() {
	m.pass(rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second, 40 * time.Second, 13 * time.Hour}).Draw(m.T, "time"))
}

func (m *model) pass(d time.Duration) {
	m.now = m.now.Add(d)
	m.mini.SetTime(m.now)
}

func (m *model) control() {
	var err error
	switch rapid.SampledFrom([]string{"pause", "pause", "resume", "resume", "resume", "resume", "cancel"}).Draw(m.T, "order") {
	case "pause":
		_, err = m.store.Pause(m.Context(), id, campaign.Operator, "")
	case "resume":
		_, err = m.store.Resume(m.Context(), id, nil)
	case "cancel":
		if rapid.IntRange(0, 3).Draw(m.T, "really") == 0 {
			_, err = m.store.Cancel(m.Context(), id, campaign.Operator, "")
		}
	}
	if err != nil {
		require.ErrorIs(m, err, campaign.ErrState)
	}
}

// check holds what is always true.
func (m *model) check() {
	sum, err := m.store.Summary(m.Context(), id)
	require.NoError(m, err)
	require.EqualValues(m, len(m.to), sum.Recipients)
	require.Equal(m, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)
	require.GreaterOrEqual(m, sum.Sent, m.lastSent, "sent never changes")
	m.lastSent = sum.Sent
	counts := map[tasks.Outcome]int64{}
	var replayed, by int64
	seen := map[string]bool{}
	for row, err := range m.store.Recipients(m.Context(), id) {
		require.NoError(m, err)
		require.False(m, seen[row.To])
		seen[row.To] = true
		counts[row.Outcome]++
		n := m.received[row.To]
		require.LessOrEqual(m, n, 1, "%s received twice", row.To)
		switch row.Outcome {
		case tasks.OutcomeSent:
			require.Equal(m, 1, n, "%s was not sent to", row.To)
		case tasks.OutcomeFailed:
			require.Zero(m, n, "%s failed, and received", row.To)
		case tasks.OutcomeCancelled:
			require.True(m, n == 0 || sum.State == campaign.StateCancelled)
		}
		if row.Replayed {
			replayed++
		}
	}
	require.Len(m, seen, len(m.to))
	require.Equal(m, sum.Sent, counts[tasks.OutcomeSent])
	require.Equal(m, sum.Failed, counts[tasks.OutcomeFailed])
	require.Equal(m, sum.Unknown, counts[tasks.OutcomeUnknown])
	require.Equal(m, sum.Replayed, replayed)
	for _, n := range sum.FailuresBy {
		by += n
	}
	require.Equal(m, sum.Failed+sum.Unknown, by)
}

// finish lets everything come to its end, with a LINE that works.
func (m *model) finish() {
	m.passes = nil
	for range 2000 {
		sum, err := m.store.Summary(m.Context(), id)
		require.NoError(m, err)
		if sum.State.Ended() {
			break
		}
		if sum.State == campaign.StatePaused {
			_, err := m.store.Resume(m.Context(), id, nil)
			require.NoError(m, err)
		}
		m.pass(31 * time.Second)
		m.look()
		l := campaign.Lane{ID: id, Epoch: m.epoch, Lane: 0, Run: m.lanes[0].Run + 1, Worker: "last"}
		if _, ours, err := m.store.BeginLane(m.Context(), l); err != nil || !ours {
			require.NoError(m, err)
			continue
		}
		m.lanes[0] = l
		c, err := m.store.Claim(m.Context(), l, campaign.Wish{Units: 10, Most: 64, Lease: 30 * time.Second})
		require.NoError(m, err)
		for _, u := range c.Units {
			closing := campaign.Closing{}
			first := u.First
			for i, part := range u.Parts {
				if part.Status == campaign.Open || part.Status == campaign.Pending && first > 0 {
					if part.Status == campaign.Pending {
						first--
					}
					part.Status = campaign.Sent
					if m.accept(u, i) {
						part.Status = campaign.Replayed
					}
				}
				closing.Parts = append(closing.Parts, part)
			}
			_, _, err := m.store.Close(m.Context(), id, u, closing)
			require.NoError(m, err)
		}
	}
	sum, err := m.store.Summary(m.Context(), id)
	require.NoError(m, err)
	require.True(m, sum.State.Ended(), "%+v", sum)
	if sum.State != campaign.StateCancelled {
		require.Zero(m, sum.Pending)
	}
	m.check()
}

// Whatever happens to a campaign, nobody receives twice, the counts add up, and what is told of a recipient is true.
func TestModel(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	store := campaign.New(rdb, campaign.Retention{})
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t, mini, store)
		drop := func(f func()) func(*rapid.T) { return func(*rapid.T) { f() } }
		t.Repeat(map[string]func(*rapid.T){
			"look": drop(m.look), "lane": drop(m.lane), "claim": drop(m.claim), "claim more": drop(m.claim), "close": drop(m.hand),
			"close more": drop(m.hand), "die": drop(m.die), "wait": drop(m.wait), "control": drop(m.control), "": drop(m.check),
		})
		m.finish()
	})
}
