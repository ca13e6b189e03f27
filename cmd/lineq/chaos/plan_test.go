package chaos_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// channel is a channel of the simulated LINE and of the workers.
type channel struct {
	name, id, token string
	menus           [2]string // rich menus that can be linked
	audience        []string  // of narrowcasts
}

// audienceID is the audience's at LINE, in every channel.
const audienceID = 1

// role says what may become of a send.
type role int

const (
	ordinary role = iota // it must arrive, once
	refused              // LINE refuses its recipient: it must not arrive
	operated             // somebody cancels it and runs it again meanwhile
)

// String is how the table calls sends of this role.
func (r role) String() string {
	return [...]string{"", " to nobody", " operated"}[r]
}

// send is one logical send: a task, and what is known of it so far.
type send struct {
	id      string
	kind    tasks.Kind
	channel *channel
	role    role
	to      []string // of a broadcast and a narrowcast: nobody by name
	text    string   // of its message: the ledger knows the send by it
	menu    string   // of a link
	last    bool     // of a link: no other one follows for this user
	before  *send    // of a link: the user's first one, which must be decided before this one is enqueued
	token   string   // of a reply
	script  script   // of an operated one

	decided chan struct{} // closed with its first line in the delivery log
	logged  logged        // belongs to the journal until it has ended
}

// logged is what the delivery log says of a send.
type logged struct {
	lines   int
	outcome tasks.Outcome
	reason  lineapi.Reason
}

// task is what is enqueued.
func (s *send) task() tasks.Task {
	messages := []lineapi.Message{lineapi.Text(s.text)}
	switch s.kind {
	case tasks.KindPush:
		return tasks.Push{To: s.to[0], Messages: messages}
	case tasks.KindMulticast:
		return tasks.Multicast{To: s.to, Messages: messages}
	case tasks.KindReply:
		return tasks.Reply{ReplyToken: s.token, Messages: messages}
	case tasks.KindLinkRichMenu:
		return tasks.LinkRichMenu{UserID: s.to[0], RichMenuID: s.menu}
	case tasks.KindBroadcast:
		return tasks.Broadcast{Messages: messages}
	default:
		return tasks.Narrowcast{
			Messages: messages, Recipient: json.RawMessage(fmt.Sprintf(`{"type":"audience","audienceGroupId":%d}`, audienceID)),
		}
	}
}

// keyed tells whether the send goes out under a retry key, so that it can always become known what became of it.
func (s *send) keyed() bool { return s.kind != tasks.KindReply && s.kind != tasks.KindLinkRichMenu }

// script is what an operator does with a task.
type script struct {
	after      time.Duration // the task's time, from its enqueueing; 0: at once
	cancel     bool
	pause      time.Duration // before each step
	reschedule bool
	run        bool // again, or now
}

// plan is all that a run sends.
type plan struct {
	mark     string // begins every text
	userMark string // is in every user, group and room ID
	sends    []*send
	byID     map[string]*send
	bulk     map[*channel][]*send // in the order of enqueueing
	single   map[*channel][]*send
	unknown  []string // users whom LINE doesn't have
	mailings []*mailing
	mailed   map[string]*mailing // by ID
}

// newPlan draws the sends of a form. Everybody receives at most one message under one name: recipients are disjoint.
func newPlan(f form, channels []*channel, random *rand.Rand) *plan {
	salt := random.Uint64()
	p := &plan{
		mark: fmt.Sprintf("told-%016x", random.Uint64()), userMark: fmt.Sprintf("%016x", salt),
		byID: map[string]*send{}, mailed: map[string]*mailing{}, bulk: map[*channel][]*send{}, single: map[*channel][]*send{},
	}
	users := 0
	recipient := func(prefix byte) string {
		users++
		return fmt.Sprintf("%c%s%016x", prefix, p.userMark, users)
	}
	user := func() string { return recipient('U') }
	add := func(c *channel, k tasks.Kind, r role, to ...string) *send {
		id := fmt.Sprintf("%s-%d", k, len(p.sends))
		s := &send{
			id: id, kind: k, channel: c, role: r, to: to, text: p.mark + " " + id, decided: make(chan struct{}),
		}
		p.sends = append(p.sends, s)
		p.byID[id] = s
		return s
	}
	for _, c := range channels {
		var bulk, single []*send
		for range f.pushes {
			bulk = append(bulk, add(c, tasks.KindPush, ordinary, user()))
		}
		for range f.multicasts {
			to := make([]string, 2+random.IntN(19))
			for i := range to {
				to[i] = user()
			}
			bulk = append(bulk, add(c, tasks.KindMulticast, ordinary, to...))
		}
		for range f.refused {
			s := add(c, tasks.KindPush, refused, user())
			p.unknown = append(p.unknown, s.to[0])
			bulk = append(bulk, s)
		}
		for range f.replies {
			single = append(single, add(c, tasks.KindReply, ordinary, user()))
		}
		for i := range f.links {
			s := add(c, tasks.KindLinkRichMenu, ordinary, user())
			s.menu, s.last = c.menus[0], i%2 == 1
			single = append(single, s)
			if !s.last {
				next := add(c, tasks.KindLinkRichMenu, ordinary, s.to[0])
				next.menu, next.before, next.last = c.menus[1], s, true
				single = append(single, next)
			}
		}
		for range f.broadcasts {
			single = append(single, add(c, tasks.KindBroadcast, ordinary))
		}
		for range f.narrowcasts {
			single = append(single, add(c, tasks.KindNarrowcast, ordinary))
		}
		for range f.operated {
			s := add(c, tasks.KindPush, operated, user())
			s.script = newScript(random)
			if random.IntN(5) == 0 {
				p.unknown = append(p.unknown, s.to[0])
			}
			single = append(single, s)
		}
		for range audienceSize {
			c.audience = append(c.audience, user())
		}
		random.Shuffle(len(bulk), func(i, j int) { bulk[i], bulk[j] = bulk[j], bulk[i] })
		random.Shuffle(len(single), func(i, j int) { single[i], single[j] = single[j], single[i] })
		p.bulk[c], p.single[c] = bulk, single
	}
	for _, c := range channels {
		p.addMailings(f, c, random, recipient)
	}
	return p
}

const audienceSize = 60

func newScript(random *rand.Rand) script {
	s := script{
		pause: time.Duration(random.IntN(1500)) * time.Millisecond, cancel: random.IntN(3) > 0,
		reschedule: random.IntN(4) == 0, run: random.IntN(2) == 0,
	}
	if random.IntN(3) > 0 {
		s.after = time.Duration(1+random.IntN(4)) * time.Second
	}
	return s
}
