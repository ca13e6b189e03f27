package tasks

import (
	"encoding/json"
	"time"

	"github.com/lineq/lineq/lineapi"
)

// State is where a task stands.
type State string

const (
	StateQueued    State = "queued"    // waits for a worker
	StateScheduled State = "scheduled" // waits for its time
	StateActive    State = "active"    // a worker has it
	StateWaiting   State = "waiting"   // waits for its next attempt
	StateDone      State = "done"      // has an outcome
)

// Outcome is how a task ended. It is empty until then.
type Outcome string

const (
	OutcomeSent      Outcome = "sent"      // LINE accepted it
	OutcomeFailed    Outcome = "failed"    // LINE did not accept it and never will
	OutcomeUnknown   Outcome = "unknown"   // LINE may have accepted it; it isn't sent again on its own
	OutcomeCancelled Outcome = "cancelled" // it was taken back before LINE had it
)

// Result is what is known of a task.
type Result struct {
	ID      string  `json:"id"`
	Kind    Kind    `json:"kind"`
	Channel string  `json:"channel"`
	State   State   `json:"state"`
	Outcome Outcome `json:"outcome"`
	// Reason says why a task failed, is unknown or waits; it is empty for a sent one.
	Reason lineapi.Reason `json:"reason"`
	// Replayed tells that LINE answered a repeat with "already accepted": the attempt before had gone through.
	Replayed bool `json:"replayed"`
	// RequestID is LINE's id of the accepted request, or of the last answer.
	RequestID string `json:"request_id"`
	// Attempts counts the calls to LINE.
	Attempts       int        `json:"attempts"`
	FirstAttemptAt *time.Time `json:"first_attempt_at"`
	// DueAt is when a scheduled task, or one that waits for its next attempt, goes on; nil where there is no such time.
	DueAt      *time.Time `json:"due_at,omitempty"`
	FinishedAt *time.Time `json:"finished_at"`
	// Error is LINE's explanation, or ours.
	Error string `json:"error"`
	// Earlier are the attempts before the last answer that ended otherwise than by an acceptance, at most the last eight.
	Earlier []Attempt `json:"earlier_attempts,omitempty"`
	// Data is what a lookup found, and the richMenuId of a published rich menu.
	Data json.RawMessage `json:"data,omitempty"`
}

// Attempt is what became of an attempt that wasn't the last one.
type Attempt struct {
	Attempt   int            `json:"attempt"` // its number, from 1
	At        *time.Time     `json:"at"`
	Status    int            `json:"status"` // LINE's; 0: there was no answer
	Reason    lineapi.Reason `json:"reason"`
	RequestID string         `json:"request_id"`
	Error     string         `json:"error"`
	// Outcome is the task's at that time, if it had one: it was started again since.
	Outcome Outcome `json:"outcome"`
}
