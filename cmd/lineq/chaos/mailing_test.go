package chaos_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

// mailingForm is the size of one campaign.
type mailingForm struct {
	mode       campaign.Mode
	recipients int
	rate       float64 // recipients a second; it also makes the chunks of a multicast small
	cancelled  bool
}

// mailing is a campaign of the run. Nobody of its recipients receives anything else.
type mailing struct {
	id        string
	channel   *channel
	mode      campaign.Mode
	rate      float64
	text      string          // of its message: the ledger knows the campaign by it
	to        []string        // recipients, by their numbers
	strangers map[string]bool // of them, those whom LINE refuses
	rows      []row           // of its audience
	totals    campaign.Totals // what an intake has to count
	begins    time.Duration   // after the run
	breaks    int             // the row at which its first intake fails; -1: none
	givenUp   bool            // no other intake follows
	steps     []step

	decided chan struct{} // closed with the first line of its end in the delivery log
	logged  logged        // belongs to the journal until it has ended
	// What its operator knows, who is done when the judge comes.
	last      campaign.Summary
	cancelled bool // lineq has said so
}

// row is one line of an audience.
type row struct {
	to string // empty: the line can't be read
	n  string // the value of its placeholder
}

// order is what an operator does with a campaign.
type order string

const (
	stop   order = "pause" // and resume
	cancel order = "cancel"
	// strike kills a worker, which has some of the campaign's requests under way.
	strike order = "strike"
)

// step is an order with the part of the recipients that is decided when it comes.
type step struct {
	part  float64
	order order
	pause time.Duration // until it is resumed
}

const (
	// In a hundred rows of an audience there are about so many of each.
	duplicateRows, unreadableRows, malformedRows = 3, 1, 1
	// Of a hundred recipients of pushes LINE refuses about so many.
	strangers = 1
	// Of a hundred recipients of pushes so many are groups and as many rooms.
	chats = 2

	mostPauses = 3
	// smallest campaigns have up to so many recipients, or none.
	smallest = 300
)

// addMailings draws the campaigns of a channel. id makes one recipient's id of its first letter.
func (p *plan) addMailings(f form, c *channel, random *rand.Rand, id func(prefix byte) string) {
	forms := slices.Clone(f.mailings)
	for range f.small {
		mode := []campaign.Mode{campaign.Multicast, campaign.Push}[random.IntN(2)]
		forms = append(forms, mailingForm{mode: mode, recipients: max(0, random.IntN(smallest*10/9)-smallest/9)})
	}
	for i, of := range forms {
		m := &mailing{
			id: fmt.Sprintf("campaign-%d", len(p.mailings)), channel: c, mode: of.mode, rate: of.rate,
			strangers: map[string]bool{}, breaks: -1, decided: make(chan struct{}),
			// In the first third, so that it meets the misfortunes; those with a rate take long.
			begins: time.Duration(random.Int64N(int64(f.window)/3 + 1)),
		}
		m.text = p.mark + " " + m.id
		if of.mode == campaign.Push {
			m.text += numbered + "{{n}}"
		}
		for n := range of.recipients {
			prefix, part := byte('U'), random.IntN(100)
			if of.mode == campaign.Push && part < 2*chats {
				prefix = "CR"[part%2]
			}
			to := id(prefix)
			if of.mode == campaign.Push && prefix == 'U' && random.IntN(100) < strangers {
				m.strangers[to] = true
				p.unknown = append(p.unknown, to)
			}
			m.to = append(m.to, to)
			m.rows = append(m.rows, row{to, strconv.Itoa(n)})
		}
		m.muddle(random)
		if random.IntN(2) == 0 {
			m.breaks = random.IntN(len(m.rows) + 1)
		}
		if i == len(forms)-1 && f.small > 0 {
			m.givenUp, m.breaks = true, random.IntN(len(m.rows)+1)
		}
		m.direct(of, random)
		p.mailings = append(p.mailings, m)
		p.mailed[m.id] = m
	}
}

// numbered stands between a campaign's name and a recipient's number in a personal message.
const numbered = " for "

// muddle adds the rows that an intake has to leave out.
func (m *mailing) muddle(random *rand.Rand) {
	m.totals = campaign.Totals{Recipients: int64(len(m.to))}
	var rows []row
	for _, r := range m.rows {
		rows = append(rows, r)
		switch part := random.IntN(100); {
		case part < duplicateRows:
			rows = append(rows, row{rows[random.IntN(len(rows))].to, "a value that comes too late"})
		case part < duplicateRows+unreadableRows:
			rows = append(rows, row{})
		case part < duplicateRows+unreadableRows+malformedRows:
			rows = append(rows, row{to: r.to[:1] + "-" + r.to[2:]})
		}
	}
	m.rows = rows
	seen := map[string]bool{}
	for _, r := range rows {
		switch {
		case r.to == "" || r.to[1] == '-':
			m.totals.Rejected++
		case seen[r.to]:
			m.totals.Duplicates++
		}
		seen[r.to] = true
	}
}

// direct draws what the operator does.
func (m *mailing) direct(of mailingForm, random *rand.Rand) {
	for range random.IntN(mostPauses + 1) {
		m.steps = append(m.steps, step{
			part: random.Float64(), order: stop, pause: time.Duration(random.IntN(3000)) * time.Millisecond,
		})
	}
	if of.cancelled {
		m.steps = append(m.steps, step{part: 0.7 * random.Float64(), order: cancel})
	} else if of.recipients > smallest {
		m.steps = append(m.steps, step{part: 0.05 + 0.6*random.Float64(), order: strike})
	}
	slices.SortStableFunc(m.steps, func(a, b step) int { return cmp.Compare(a.part, b.part) })
}

// isDecided tells whether its end stands in the delivery log.
func (m *mailing) isDecided() bool {
	select {
	case <-m.decided:
		return true
	default:
		return false
	}
}

// errCursor is what the app's own database says.
var errCursor = errors.New("the cursor is gone")

// breath is how many rows an app reads between two breaths, so that an intake lasts long enough to be interrupted.
const breath = 1000

// audience reads the rows, up to the one at which it breaks; -1: all.
func (m *mailing) audience(breathe func(), breaks int) iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		vars := map[string]string{}
		for i, r := range m.rows {
			if i == breaks {
				break
			}
			if i%breath == breath/2 {
				breathe()
			}
			of, err := producer.Recipient{To: r.to, Line: i + 1}, error(nil)
			if r.to == "" {
				err = &campaign.RowError{Line: i + 1, Reason: "can't be read"}
			} else if m.mode == campaign.Push {
				vars["n"] = r.n
				of.Vars = vars
			}
			if !yield(of, err) {
				return
			}
		}
		if breaks >= 0 {
			yield(producer.Recipient{}, errCursor)
		}
	}
}

// campaign is what the app takes in.
func (m *mailing) campaign(to iter.Seq2[producer.Recipient, error]) producer.Campaign {
	return producer.Campaign{ID: m.id, To: to, Messages: []lineapi.Message{lineapi.Text(m.text)}, Rate: m.rate}
}
