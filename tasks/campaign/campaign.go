// Package campaign keeps in Redis what is sent to many: the message once, the recipients in chunks of at most 500, and what
// became of each of them.
//
// A producer makes a [Draft], appends chunks to it, and seals it in one step; nothing of a draft is ever sent. A sealed
// campaign goes through its states:
//
//	draft ─► ready ─► sending ⇄ paused ─► finished | finished_with_failures | cancelled
//
// Workers divide the chunks into units of work: a multicast to a chunk, or a block of up to 64 pushes. [Store.Claim] opens
// a unit before its requests go out and [Store.Close] closes it with what became of them; a unit whose worker dies is
// claimed again after its time, and by then everybody in it counts as one whose answer was lost. The counts move in the
// script that closes a unit, by the difference to what stood there, so that
//
//	sent + failed + unknown + pending = recipients
//
// at every moment. All keys of a campaign share the hash tag {c:<id>}, and every script goes by Redis's clock.
package campaign

import (
	"errors"
	"fmt"
	"time"

	"github.com/lineq/lineq/lineapi"
)

// State is where a campaign stands.
type State string

const (
	StateDraft    State = "draft"    // being written; it can't send
	StateReady    State = "ready"    // sealed; waits for its time and its preflight
	StateSending  State = "sending"  //
	StatePaused   State = "paused"   // see Summary.Reason
	StateFinished State = "finished" // everybody was sent to
	// StateFinishedWithFailures is finished, with some failed or unknown.
	StateFinishedWithFailures State = "finished_with_failures"
	StateCancelled            State = "cancelled" // what was pending then stays unsent
)

// Ended tells whether a state is the last one.
func (s State) Ended() bool {
	return s == StateFinished || s == StateFinishedWithFailures || s == StateCancelled
}

// Why a campaign is paused or cancelled, beside lineapi.Invalid (LINE refuses the message) and lineapi.Quota (what is left
// of the month's quota isn't enough).
const (
	Operator lineapi.Reason = "operator" // somebody asked for it
	Failures lineapi.Reason = "failures" // more failed than Plan.MaxFailures allows
	DryRun   lineapi.Reason = "dry_run"  // it was made to be checked only
)

// Mode is how most of a campaign's recipients are reached. Groups and rooms get pushes in either.
type Mode string

const (
	Multicast Mode = "multicast" // everybody gets the same
	Push      Mode = "push"      // the messages differ from one recipient to the next
)

// Block is the most pushes of a unit: what a crash repeats. It is frozen into a campaign when it is sealed.
const Block = 64

// Recipient is one line of an audience.
type Recipient struct {
	To string // user, group or room id
	// Vars are the values of the placeholders, by column; nil where none is used. An intake has done with it before it asks
	// for the next recipient, so one map can serve for all.
	Vars map[string]string
	// Template chooses among several messages by name. Empty where there is one.
	Template string
	// Line is the line of the file that it stands in, for messages; zero: there is none.
	Line int
}

// RowError says why one recipient can't be used. An audience that yields it goes on with the next row.
type RowError struct {
	Line   int    // zero: there is none
	Reason string // without the row's values
}

func (e *RowError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Template is one of a campaign's messages, with its placeholders.
type Template struct {
	Name     string            `json:"name,omitempty"`
	Messages []lineapi.Message `json:"messages"`
}

// Plan is what a campaign does, frozen when it is sealed. Its JSON is stored once.
type Plan struct {
	Mode      Mode       `json:"mode"`
	Templates []Template `json:"templates"`
	// Columns are those that the placeholders use, in the order in which chunks hold their values.
	Columns                []string `json:"columns,omitempty"`
	NotificationDisabled   bool     `json:"notification_disabled,omitempty"`
	CustomAggregationUnits []string `json:"custom_aggregation_units,omitempty"`

	At     time.Time `json:"at,omitzero"`     // not before
	Rate   float64   `json:"rate,omitempty"`  // recipients a second; zero: LINE's limits alone
	Window Window    `json:"window,omitzero"` // the hours of the day within which it sends
	// MaxFailures is the share of failed and unknown among the decided, 0 to 1, above which it pauses; zero: it never does.
	MaxFailures float64 `json:"max_failures,omitempty"`
	// Partial sends as far as the month's quota reaches and pauses then; else such a campaign doesn't start.
	Partial bool `json:"partial,omitempty"`
	// DryRun ends it after its preflight.
	DryRun bool `json:"dry_run,omitempty"`
	// Webhook is told of its end.
	Webhook string `json:"webhook,omitempty"`
	// Trace is that of its intake, as package tracing carries it.
	Trace map[string]string `json:"trace,omitempty"`
}

// Totals are what an intake counted.
type Totals struct {
	Recipients int64
	Rejected   int64 // rows that can't be used
	Duplicates int64 // rows that were dropped since their recipient stood there before
}

// Forecast is what a preflight found out.
type Forecast struct {
	Requests int64 `json:"requests"`
	// Seconds is how long it takes at LINE's limits and at the campaign's own rate, without latency and windows.
	Seconds float64 `json:"seconds"`
	// QuotaCost is how many messages of the month's quota it costs at most: LINE doesn't count whom it doesn't reach, and
	// counts all members of a group.
	QuotaCost int64 `json:"quota_cost"`
	// QuotaLeft is what was left; -1: the account has no limit.
	QuotaLeft int64     `json:"quota_left"`
	At        time.Time `json:"at"`
}

// Summary is what is known of a campaign as a whole.
type Summary struct {
	ID         string         `json:"id"`
	Channel    string         `json:"channel"`
	State      State          `json:"state"`
	Reason     lineapi.Reason `json:"reason"` // why it is paused or cancelled
	Note       string         `json:"note"`   // the same in words
	Mode       Mode           `json:"mode"`
	Recipients int64          `json:"recipients"`
	Sent       int64          `json:"sent"`
	Failed     int64          `json:"failed"`
	Unknown    int64          `json:"unknown"`
	Pending    int64          `json:"pending"`
	Rejected   int64          `json:"rejected"`
	Duplicates int64          `json:"duplicates"`
	Chunks     int64          `json:"chunks"`
	// Requests counts the calls to LINE, those of a worker that died in them apart; Replayed those that LINE had accepted
	// before.
	Requests int64 `json:"requests"`
	Replayed int64 `json:"replayed"`
	// PermitWait is how many seconds the requests together have waited for their turns within LINE's limits.
	PermitWait float64 `json:"permit_wait_seconds"`
	// FailuresBy counts failed and unknown by reason.
	FailuresBy map[lineapi.Reason]int64 `json:"failures_by"`
	Forecast   *Forecast                `json:"forecast,omitempty"`
	CreatedAt  *time.Time               `json:"created_at"`
	StartedAt  *time.Time               `json:"started_at"`
	FinishedAt *time.Time               `json:"finished_at"`
}

// Errors that tell how things stand.
var (
	ErrNotFound = errors.New("no such campaign")
	// ErrIDReused is for an id under which another campaign was sealed: another channel, other messages.
	ErrIDReused = errors.New("another campaign has this id")
	// ErrIntake is for an id whose draft is just being written by somebody else.
	ErrIntake = errors.New("its recipients are just being taken in by somebody else")
	// ErrLost is for a draft that somebody else has replaced, or that is a day old.
	ErrLost = errors.New("the draft was replaced or has expired")
	// ErrState is for what can't be done in the state that the campaign is in.
	ErrState = errors.New("not possible in this state")
)
