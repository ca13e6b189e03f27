// Package schedule keeps in Redis what is to be sent again and again, and hands each tick of it to one worker.
//
// A [Spec] says what is sent and when; [ParseCalendar] has the rules for time zones and for the change of the clock. Every
// worker asks with [Store.Due] which schedules need somebody, and claims their ticks with [Store.Claim]. One script decides
// that, which moves the schedule on to its next tick at the same time, so that a tick is claimed once. A claimed tick stands
// beside the schedule until [Store.Done]: when its worker dies, another takes it over. What it enqueues has an ID that is
// made of the schedule and the tick, so that who does it again adds nothing.
//
// A tick is missed when no worker takes it before the next one is due: for at least five seconds, and for a minute at most.
// Then the schedule's own rule holds: [RunOnce] runs the latest of those that were missed, if it isn't older than
// Spec.Within, and never the ones before; [Skip] runs none of them. The same time is how long a tick that fails is tried
// again (a minute with Skip), if the next one isn't due before. A paused schedule has no ticks.
//
// All that is known of a schedule is one hash, lineq:{s:<id>}, and everything goes by Redis's clock.
package schedule

import (
	"errors"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// Missed is what happens to ticks that nobody took in time.
type Missed string

const (
	RunOnce Missed = "run_once" // the latest of them runs
	Skip    Missed = "skip"     // none of them runs
)

// DefaultWithin is for how long after its time a tick may still run where Spec.Within doesn't say.
const DefaultWithin = time.Hour

// MaxWithin is below the time for which the records of sent tasks are kept, by which a repeat is recognised.
const MaxWithin = 20 * time.Hour

// KindSchedule is what the delivery log calls a tick that didn't run. Its reason is ReasonMissed, or ReasonTick where it
// could not be done.
const (
	KindSchedule tasks.Kind = "schedule"

	ReasonMissed lineapi.Reason = "missed"
	ReasonTick   lineapi.Reason = "schedule"
)

// RunState is where a tick stands.
type RunState string

const (
	RunAsked    RunState = "asked"    // somebody asked for it; no worker has it yet
	RunStarted  RunState = "started"  // a worker has it
	RunFailing  RunState = "failing"  // it could not be done, and is tried again
	RunEnqueued RunState = "enqueued" // the rest is with the task or the campaign
	RunFailed   RunState = "failed"   // it was given up
	RunMissed   RunState = "missed"   // it and perhaps others before it didn't run
)

// Run is what is known of a tick.
type Run struct {
	Tick  time.Time `json:"tick"` // the time that it stands for
	State RunState  `json:"state"`
	// ID is that of the task or the campaign.
	ID    string `json:"id"`
	Error string `json:"error,omitempty"` // why it fails or has failed
	Tries int    `json:"tries,omitempty"` // that went before
	// Outcome is what became of the task or the campaign: its outcome or its state. Reason says why it failed. A Store knows
	// neither.
	Outcome string         `json:"outcome"`
	Reason  lineapi.Reason `json:"reason"`
}

// Summary is what is known of a schedule, without what it sends.
type Summary struct {
	ID      string     `json:"id"`
	Channel string     `json:"channel"`
	Kind    tasks.Kind `json:"kind"` // of its task, or campaign.KindCampaign
	Cron    string     `json:"cron"`
	Zone    string     `json:"tz"`
	Missed  Missed     `json:"missed"`
	// Within is for how long a tick may still run, as 1h0m0s.
	Within   string      `json:"missed_within"`
	Audience string      `json:"audience,omitempty"` // a campaign's: a path
	Command  string      `json:"audience_command,omitempty"`
	Paused   bool        `json:"paused"`
	Next     []time.Time `json:"next"` // the next three; none while it is paused
	// Last is the latest tick that was begun or missed; nil: there was none yet.
	Last      *Run      `json:"last"`
	CreatedAt time.Time `json:"created_at"`
}

// Errors that tell how things stand.
var (
	ErrNotFound = errors.New("no such schedule")
	// ErrIDReused is for an id under which another schedule stands.
	ErrIDReused = errors.New("another schedule has this id")
)
