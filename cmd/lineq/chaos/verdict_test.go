package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
)

// truth is a plan of one send of each sort, and the evidence of a run in which all went well.
func truth() (*plan, *evidence) {
	c := &channel{name: "one", id: "2000000000", menus: [2]string{"richmenu-a", "richmenu-b"}}
	p := newPlan(form{
		pushes: 1, multicasts: 1, refused: 1, replies: 1, links: 1, broadcasts: 1, narrowcasts: 1, operated: 1,
	}, []*channel{c}, rand.New(rand.NewPCG(1, 1)))
	e := &evidence{
		accepted: map[string][]linesim.Accepted{}, received: map[string]int{}, menus: map[string]string{},
		results: map[string]tasks.Result{}, mailed: map[string]mailed{}, requests: map[string]map[string]request{},
	}
	for i, s := range p.sends {
		r := tasks.Result{State: tasks.StateDone, Outcome: tasks.OutcomeSent, RequestID: fmt.Sprint(i)}
		to := s.to
		switch {
		case s.role == refused:
			r.Outcome, r.Reason, to = tasks.OutcomeFailed, lineapi.Invalid, nil
		case s.role == operated:
			r.Outcome, to = tasks.OutcomeCancelled, nil
		case s.kind == tasks.KindLinkRichMenu:
			e.menus[s.to[0]], to = s.menu, nil // the later one comes later
		case s.kind == tasks.KindNarrowcast:
			to = c.audience
		}
		if r.Outcome == tasks.OutcomeSent && s.kind != tasks.KindLinkRichMenu {
			a := linesim.Accepted{Recipients: len(to)}
			a.RequestID, a.Channel = r.RequestID, c.id
			e.accepted[s.id] = append(e.accepted[s.id], a)
			for _, user := range to {
				e.received[user]++
			}
		}
		e.results[s.id], s.logged = r, logged{lines: 1, outcome: r.Outcome}
	}
	return p, e
}

// TestJudge makes sure that a run can fail.
func TestJudge(t *testing.T) {
	type damage func(s *send, e *evidence)
	again := func(s *send, e *evidence) {
		e.accepted[s.id] = append(e.accepted[s.id], linesim.Accepted{Recipients: len(s.to)})
		for _, user := range s.to {
			e.received[user]++
		}
	}
	never := func(s *send, e *evidence) {
		delete(e.accepted, s.id)
		for _, user := range s.to {
			delete(e.received, user)
		}
	}
	becomes := func(o tasks.Outcome, r lineapi.Reason) damage {
		return func(s *send, e *evidence) {
			result := e.results[s.id]
			result.Outcome, result.Reason, s.logged.outcome = o, r, o
			e.results[s.id] = result
		}
	}
	both := func(all ...damage) damage {
		return func(s *send, e *evidence) {
			for _, d := range all {
				d(s, e)
			}
		}
	}
	for _, c := range []struct {
		name             string
		kind             tasks.Kind
		role             role
		damage           damage
		violations       int
		lost, duplicated int
	}{
		{"nothing", tasks.KindPush, ordinary, func(*send, *evidence) {}, 0, 0, 0},
		{"a push never arrived", tasks.KindPush, ordinary, never, 2, 1, 0},
		{"a push arrived twice", tasks.KindPush, ordinary, again, 2, 0, 1},
		{"a push arrived and is called failed", tasks.KindPush, ordinary, becomes("failed", lineapi.Invalid), 1, 0, 0},
		{"a push is lost and is called failed", tasks.KindPush, ordinary,
			both(never, becomes("failed", lineapi.Invalid)), 3, 1, 0},
		{"a push is called unknown", tasks.KindPush, ordinary, becomes("unknown", lineapi.Unknown), 1, 0, 0},
		{"a push is undecided", tasks.KindPush, ordinary, func(s *send, e *evidence) {
			r := e.results[s.id]
			r.State = tasks.StateWaiting
			e.results[s.id] = r
		}, 1, 0, 0},
		{"the result names another request", tasks.KindPush, ordinary, func(s *send, e *evidence) {
			r := e.results[s.id]
			r.RequestID = "another"
			e.results[s.id] = r
		}, 1, 0, 0},
		{"another channel sent it", tasks.KindPush, ordinary, func(s *send, e *evidence) {
			e.accepted[s.id][0].Channel = "another"
		}, 1, 0, 0},
		{"the delivery log says otherwise", tasks.KindPush, ordinary, func(s *send, _ *evidence) {
			s.logged.outcome = tasks.OutcomeFailed
		}, 1, 0, 0},
		{"the delivery log says nothing", tasks.KindPush, ordinary, func(s *send, _ *evidence) {
			s.logged.lines = 0
		}, 1, 0, 0},
		{"a multicast didn't reach all", tasks.KindMulticast, ordinary, func(s *send, e *evidence) {
			delete(e.received, s.to[1])
			e.accepted[s.id][0].Recipients--
		}, 2, 1, 0},
		{"a multicast arrived twice", tasks.KindMulticast, ordinary, again, 19, 0, 18},
		{"a broadcast was accepted twice", tasks.KindBroadcast, ordinary, again, 1, 0, 0},
		{"a broadcast was never accepted", tasks.KindBroadcast, ordinary, never, 1, 0, 0},
		{"a narrowcast arrived twice at one", tasks.KindNarrowcast, ordinary, func(s *send, e *evidence) {
			e.received[s.channel.audience[0]]++
		}, 1, 0, 1},
		{"a narrowcast didn't reach its audience", tasks.KindNarrowcast, ordinary, func(s *send, e *evidence) {
			e.accepted[s.id][0].Recipients = 0
		}, 1, 0, 0},
		{"a reply arrived and is unknown", tasks.KindReply, ordinary, becomes("unknown", lineapi.Network), 0, 0, 0},
		{"a reply didn't arrive and is unknown", tasks.KindReply, ordinary,
			both(never, becomes("unknown", lineapi.Network)), 0, 0, 0},
		{"a reply arrived twice and is unknown", tasks.KindReply, ordinary,
			both(again, becomes("unknown", lineapi.Network)), 2, 0, 1},
		{"a reply came too late", tasks.KindReply, ordinary, both(never, becomes("failed", lineapi.Expired)), 0, 0, 0},
		{"a reply came too late, and arrived", tasks.KindReply, ordinary, becomes("failed", lineapi.Expired), 2, 0, 1},
		{"a reply was refused", tasks.KindReply, ordinary, both(never, becomes("failed", lineapi.Invalid)), 1, 0, 0},
		{"what LINE refuses is called sent", tasks.KindPush, refused, becomes("sent", ""), 3, 1, 0},
		{"what LINE refuses arrived", tasks.KindPush, refused, again, 2, 0, 1},
		{"what LINE refuses is unknown", tasks.KindPush, refused, becomes("unknown", lineapi.Invalid), 0, 0, 0},
		{"what was cancelled arrived", tasks.KindPush, operated, again, 2, 0, 1},
		{"what was cancelled is sent after all", tasks.KindPush, operated, both(again, becomes("sent", ""),
			func(s *send, e *evidence) {
				r := e.results[s.id]
				e.accepted[s.id][0].RequestID, e.accepted[s.id][0].Channel = r.RequestID, s.channel.id
			}), 0, 0, 0},
		{"a rich menu is an earlier one", tasks.KindLinkRichMenu, ordinary, func(s *send, e *evidence) {
			e.menus[s.to[0]] = s.channel.menus[0]
		}, 1, 0, 0},
		{"a rich menu is unknown", tasks.KindLinkRichMenu, ordinary, becomes("unknown", lineapi.Network), 1, 0, 0},
		{"a stranger received", tasks.KindPush, ordinary, func(_ *send, e *evidence) { e.received["U1"] = 1 }, 1, 0, 1},
		{"LINE has what nobody sent", tasks.KindPush, ordinary, func(_ *send, e *evidence) {
			e.accepted["push-99"] = []linesim.Accepted{{}}
		}, 1, 0, 0},
		{"a retry key was used for two bodies", tasks.KindPush, ordinary, func(_ *send, e *evidence) {
			e.stats.RetryKeysReused = 1
		}, 1, 0, 0},
		{"a multicast lists somebody twice", tasks.KindPush, ordinary, func(_ *send, e *evidence) {
			e.stats.RepeatedRecipients = 1
		}, 1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, e := truth()
			var struck *send
			for _, s := range p.sends {
				if s.kind == c.kind && s.role == c.role {
					struck = s
				}
			}
			require.NotNil(t, struck)
			c.damage(struck, e)
			v := judge(p, e)
			assert.Len(t, v.violations, c.violations)
			assert.Equal(t, []int{c.lost, c.duplicated}, []int{v.lost, v.duplicated})
		})
	}
}

// TestSeed: the same seed draws the same sends and the same misfortunes.
func TestSeed(t *testing.T) {
	drawn := func(seed uint64) (texts []string, events []event) {
		r := &run{seed: seed}
		p := newPlan(short, []*channel{{name: "one"}, {name: "two"}}, r.random(1))
		for _, s := range p.bulk[p.sends[0].channel] {
			texts = append(texts, s.text+fmt.Sprint(s.to))
		}
		return texts, append(draw(full.deck.workers, r.random(2)), draw(full.deck.redis, r.random(3))...)
	}
	texts, events := drawn(1)
	same, sameEvents := drawn(1)
	assert.Equal(t, texts, same)
	assert.Equal(t, events, sameEvents)
	others, otherEvents := drawn(2)
	assert.NotEqual(t, texts, others)
	assert.NotEqual(t, events, otherEvents)
}
