package campaign

import (
	"context"
	_ "embed" // the scripts
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

//go:embed campaign.lua
var campaignLua string

//go:embed lane.lua
var laneLua string

//go:embed claim.lua
var claimLua string

//go:embed close.lua
var closeLua string

//go:embed intern.lua
var internLua string

var (
	laneScript   = redis.NewScript(campaignLua + laneLua)
	claimScript  = redis.NewScript(campaignLua + claimLua)
	closeScript  = redis.NewScript(campaignLua + closeLua)
	internScript = redis.NewScript(internLua)
)

// Status is how one part of a unit stands.
type Status byte

const (
	Pending  Status = 'p' // LINE doesn't have it
	Open     Status = 'o' // pending, and LINE may have it
	Sent     Status = 's'
	Replayed Status = 'r' // sent: LINE said that it had accepted it before
	Failed   Status = 'f'
	Unknown  Status = 'u'
)

// Decided tells whether a part has its outcome.
func (s Status) Decided() bool { return s != Pending && s != Open }

// Part is what one request of a unit is about.
type Part struct {
	// Path says which of the chunk's recipients a multicast is for, see [Path]; empty in units of pushes.
	Path       Path
	Recipients int
	Status     Status
	// What a decided part ended with. Error is a number that Intern gave.
	RequestID string
	At        time.Time
	Error     int
	Reason    lineapi.Reason
}

// Unit is one opened pass over a part of a campaign.
type Unit struct {
	Chunk int
	// Place is that of the unit's first recipient in its chunk.
	Place      int
	Token      string
	Generation int // of the retry keys
	// Passes are those since somebody of the unit was last decided, with this one: how often LINE was asked in vain. Those
	// that died, or that didn't ask, don't count.
	Passes int
	// OpenOnly: only parts that LINE may have are to be sent; the campaign is paused.
	OpenOnly bool
	// First is how many of the pending parts may be tried, from the first one on.
	First int
	// Wait is how long the campaign's rate lets the unit wait.
	Wait  time.Duration
	Parts []Part
	// Pushes: each part is one recipient.
	Pushes bool
}

func (u *Unit) name() string { return strconv.Itoa(u.Chunk) + "." + strconv.Itoa(u.Place) }

// Lane is one of those who work on a campaign at the same time.
type Lane struct {
	ID          string // the campaign's
	Epoch, Lane int
	Run         int
	Worker      string // letters and digits
}

// BeginLane takes a lane over for a worker. ok is false when the lane has been replaced. Where another worker had this very
// run, what it has under way is free to be claimed: asynq gives a run to another only when its worker has died, or seems to.
func (s *Store) BeginLane(ctx context.Context, l Lane) (state State, ok bool, err error) {
	v, err := laneScript.Run(ctx, s.rdb, keysOf(l.ID).all(), l.Epoch, l.Lane, l.Run, l.Worker).Text()
	if err != nil {
		return "", false, fmt.Errorf("campaign %s: %w", l.ID, err)
	}
	return State(v), v != "replaced", nil
}

// Wish is what Claim is asked for.
type Wish struct {
	Units int
	// Most is the most recipients that a unit of pushes may try for the first time.
	Most int
	// Lease is how long a pass may take. Then it counts as dead, and everybody in it as one that LINE may have.
	Lease time.Duration
}

// Claimed is Claim's answer.
type Claimed struct {
	Units []Unit
	// Wait is when to come again, where there is nothing to claim now.
	Wait time.Duration
	// Over: there is nothing more for this lane to do, see State.
	Over  bool
	State State
}

// Claim opens units for one pass each. What it returns is written: a worker that dies after it leaves passes open, of which
// nobody knows the end.
func (s *Store) Claim(ctx context.Context, l Lane, w Wish) (Claimed, error) {
	token := l.Worker + "." + strconv.Itoa(l.Lane) + "." + newToken()
	v, err := claimScript.Run(ctx, s.rdb, keysOf(l.ID).all(), l.Epoch, l.Lane, strconv.Itoa(l.Run)+" "+l.Worker, token,
		w.Lease.Milliseconds(), w.Units, w.Most, tasks.Horizon.Milliseconds()).Slice()
	if err != nil {
		return Claimed{}, fmt.Errorf("campaign %s: %w", l.ID, err)
	}
	f := make([]string, len(v))
	for i, x := range v {
		f[i] = fmt.Sprint(x)
	}
	switch f[0] {
	case "wait":
		return Claimed{Wait: time.Duration(number(f[1])) * time.Millisecond}, nil
	case "over":
		return Claimed{Over: true, State: State(f[1])}, nil
	}
	var c Claimed
	for i := 1; i+8 < len(f); i += 9 {
		u, err := unit(f[i : i+9])
		if err != nil {
			return Claimed{}, fmt.Errorf("campaign %s: %w", l.ID, err)
		}
		c.Units = append(c.Units, u)
	}
	return c, nil
}

// unit reads what claim.lua gives for one.
func unit(f []string) (Unit, error) {
	chunk, place, _ := strings.Cut(f[0], ".")
	u := Unit{
		Chunk: number(chunk), Place: number(place), Token: f[1], Generation: number(f[2]), Passes: number(f[3]),
		OpenOnly: f[4] == "1", First: number(f[5]), Wait: time.Duration(number(f[8])) * time.Microsecond,
	}
	var err error
	u.Pushes, u.Parts, err = readParts(f[6], f[7], "")
	return u, err
}

// readParts reads a unit's layout, states and entries.
func readParts(layout, states, entries string) (pushes bool, parts []Part, err error) {
	parts = make([]Part, len(states))
	sizes := strings.Split(layout, ",")
	if layout != "" && len(sizes) != len(states) || entries != "" && len(entries) != len(states)*entrySize {
		return false, nil, fmt.Errorf("a unit of %d parts has a layout of %d and %d bytes of entries", len(states), len(sizes), len(entries))
	}
	for i := range parts {
		p := &parts[i]
		p.Status, p.Recipients = Status(states[i]), 1
		if layout != "" {
			path, size, _ := strings.Cut(sizes[i], ":")
			p.Path, p.Recipients = Path(path), number(size)
		}
		if entries != "" {
			p.readEntry(entries[i*entrySize : (i+1)*entrySize])
		}
	}
	return layout == "", parts, nil
}

// entrySize is what a record keeps of a part's end: request id, time, error, reason.
const entrySize = 16 + 4 + 2 + 1

func (p *Part) readEntry(e string) {
	if id := e[:16]; id != zeroID {
		x := hex.EncodeToString([]byte(id))
		p.RequestID = x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
	}
	if at := binary.BigEndian.Uint32([]byte(e[16:20])); at > 0 {
		p.At = time.Unix(int64(at), 0).UTC()
	}
	p.Error = int(binary.BigEndian.Uint16([]byte(e[20:22])))
	p.Reason = reasons[e[22]]
}

var zeroID = strings.Repeat("\x00", 16)

// appendEntry is the reverse of readEntry. A request id that isn't a UUID, as LINE's are, is lost.
func (p *Part) appendEntry(b []byte) []byte {
	var id [16]byte
	if r := p.RequestID; len(r) == 36 {
		if _, err := hex.Decode(id[:], []byte(r[:8]+r[9:13]+r[14:18]+r[19:23]+r[24:])); err != nil {
			id = [16]byte{}
		}
	}
	b = append(b, id[:]...)
	at := uint32(0)
	if !p.At.IsZero() {
		at = uint32(p.At.Unix())
	}
	b = binary.BigEndian.AppendUint32(b, at)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Error))
	return append(b, codes[p.Reason])
}

// codes is the reverse of reasons.
var codes = func() map[lineapi.Reason]byte {
	all := map[lineapi.Reason]byte{}
	for code, reason := range reasons {
		all[reason] = code
	}
	return all
}()

// Closing is what became of a pass.
type Closing struct {
	// Parts are the unit's, with their statuses as they stand now. Of a multicast that was split they are other ones; a part
	// that had its outcome before keeps it.
	Parts []Part
	Split bool
	Calls int // to LINE
	// Waited is how long all of them together have waited for their turns within LINE's limits.
	Waited time.Duration
	// Again is when the unit may be claimed again, where parts of it are pending.
	Again time.Duration
}

// Close ends a pass. It may come late: after its time only what LINE accepted still counts. ours tells whether it was in
// time.
func (s *Store) Close(ctx context.Context, id string, u Unit, c Closing) (state State, ours bool, err error) {
	layout := "="
	if c.Split {
		texts := make([]string, len(c.Parts))
		for i, p := range c.Parts {
			texts[i] = string(p.Path) + ":" + strconv.Itoa(p.Recipients)
		}
		layout = strings.Join(texts, ",")
	}
	states := make([]byte, len(c.Parts))
	entries := make([]byte, 0, len(c.Parts)*entrySize)
	for i := range c.Parts {
		states[i] = byte(c.Parts[i].Status)
		entries = c.Parts[i].appendEntry(entries)
	}
	v, err := closeScript.Run(ctx, s.rdb, keysOf(id).all(), u.name(), u.Token, c.Calls, c.Again.Milliseconds(), layout,
		states, entries, c.Waited.Milliseconds()).StringSlice()
	if err != nil {
		return "", false, fmt.Errorf("campaign %s: %w", id, err)
	}
	return State(v[0]), v[1] == "1", nil
}

// maxErrors bounds how many different errors a campaign keeps the texts of.
const maxErrors = 1000

// Intern gives numbers to texts of errors, for Part.Error.
func (s *Store) Intern(ctx context.Context, id string, texts ...string) ([]int, error) {
	args := make([]any, 0, len(texts)+1)
	args = append(args, maxErrors)
	for _, t := range texts {
		args = append(args, t)
	}
	v, err := internScript.Run(ctx, s.rdb, keysOf(id).all(), args...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	numbers := make([]int, len(v))
	for i, n := range v {
		numbers[i] = int(n)
	}
	return numbers, nil
}

// RequestName tells a part's request from all others of its campaign, for its retry key. It must never change for what is
// in Redis.
func (u *Unit) RequestName(part int) string {
	if u.Pushes {
		return strconv.Itoa(u.Chunk) + "/" + strconv.Itoa(u.Place+part)
	}
	return strconv.Itoa(u.Chunk) + "/" + string(u.Parts[part].Path)
}
