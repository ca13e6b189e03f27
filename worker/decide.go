package worker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// answer is what became of one call.
type answer struct {
	endpoint endpoint.Endpoint // of the call that err is about
	took     time.Duration
	receipt  lineapi.Receipt
	err      error
	progress string // of a task of several steps: where it stands after this one
	data     []byte // what a lookup found
	// dataLifetime is how long data is worth keeping; zero: as long as the record.
	dataLifetime time.Duration
	// renewable tells that the channel's next call will have a new token.
	renewable bool
	// looked tells that err comes from looking for what an earlier, lost attempt did.
	looked bool
}

// verdict is what follows an answer.
type verdict struct {
	record.Answer
	delay time.Duration // until the next attempt, where there is one
}

const (
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Minute
	// limitedBackoff is enough after a 429: the limiter has slowed down for everybody.
	limitedBackoff = 4 * time.Second
)

// decide says what an answer means. It is the whole retry rule, and pure: random, from 0 to 1, spreads the waits.
//
//	answer                                  evidence    then
//	2xx, 409 with the accepted id           accepted    sent
//	400 403 404 410 411 413 415 422         refused     failed (invalid); but see afterOpen
//	401                                     refused     exponential backoff, within which the channel is held unless the
//	                                                    token renews itself
//	429 rate                                refused     a few seconds, or what Retry-After says
//	429 quota                               refused     exponential backoff, within which the channel may be held
//	its turn comes later                    refused     when it comes
//	never left this machine                 refused     exponential backoff
//	5xx, timeout, reset                     lost        exponential backoff, the same key; unknown where a repeat
//	                                                    could do harm
//	anything else                           lost        unknown; a lookup has failed
func decide(a answer, begun record.Begun, random float64) verdict {
	if a.err == nil {
		return verdict{Answer: record.Answer{
			Evidence: record.Accepted, Final: true, RequestID: acceptedID(a.receipt), Replayed: a.receipt.Replayed,
			Progress: a.progress,
		}}
	}
	v := verdict{Answer: record.Answer{Evidence: record.Refused, Reason: lineapi.ReasonOf(a.err), Error: explain(a.err)}}
	var e *lineapi.Error
	if errors.As(a.err, &e) {
		v.RequestID = e.RequestID
	} else {
		e = &lineapi.Error{}
	}
	v.Status = e.Status
	v.delay = backoff(begun.Attempts, random)
	switch v.Reason {
	case lineapi.Invalid:
		v.Final, v.AfterOpen = true, afterOpen(a.endpoint.Class, e.Status)
	case lineapi.Auth, lineapi.Quota:
	case lineapi.RateLimited:
		v.delay = max(min(v.delay, limitedBackoff), e.RetryAfter)
		if e.Unsent {
			v.delay, v.Unmade = max(comeBack(e.RetryAfter), firstBackoff/2), true
		}
	case lineapi.Server, lineapi.Network:
		if e.Unsent {
			break
		}
		v.Evidence = record.Lost
		v.Final = !a.endpoint.Class.Repeatable()
	default:
		v.Final, v.AfterOpen = true, afterOpen(a.endpoint.Class, e.Status)
		if a.endpoint.Class != endpoint.Read {
			v.Evidence = record.Lost
		}
	}
	if a.looked {
		// Not finding out what an earlier attempt did says nothing about it.
		v.Evidence, v.Final = record.Lost, begun.Attempts >= maxLooks
	}
	return v
}

// statusOf is LINE's status in an error; 0: there is none.
func statusOf(err error) int {
	var e *lineapi.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// unsent tells of an error that no byte of the request reached LINE.
func unsent(err error) bool {
	var e *lineapi.Error
	return errors.As(err, &e) && e.Unsent
}

// acceptedID is the id under which LINE has the request: of a replayed one, the first attempt's.
func acceptedID(r lineapi.Receipt) string {
	if r.AcceptedRequestID != "" {
		return r.AcceptedRequestID
	}
	return r.RequestID
}

// afterOpen is the outcome of a final refusal after an attempt whose answer was lost.
func afterOpen(c endpoint.Class, status int) tasks.Outcome {
	switch {
	case c == endpoint.Read:
		return tasks.OutcomeFailed // a read leaves nothing behind
	case c == endpoint.AlreadyDone &&
		(status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusGone):
		return tasks.OutcomeSent
	}
	return tasks.OutcomeUnknown
}

// backoff doubles with every attempt and is spread from half to the whole of that, so that what failed together doesn't
// come back together.
func backoff(attempts int, random float64) time.Duration {
	d := lastBackoff
	if n := max(attempts, 1) - 1; n < 10 {
		d = min(firstBackoff<<n, lastBackoff)
	}
	return d/2 + time.Duration(random*float64(d/2))
}

// maxExplanation bounds what a record keeps of an error, in bytes.
const maxExplanation = 500

// explain is an error's text for the record: LINE's message with its details, or ours.
func explain(err error) string {
	text := err.Error()
	var e *lineapi.Error
	if errors.As(err, &e) && e.Message != "" {
		text = e.Message
		for _, d := range e.Details {
			text += fmt.Sprintf("; %s: %s", d.Property, d.Message)
		}
	}
	if len(text) > maxExplanation {
		text = strings.ToValidUTF8(text[:maxExplanation], "") // the cut may have gone through a character
	}
	return text
}
