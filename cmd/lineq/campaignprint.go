package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// printSummary writes how far a campaign has come.
func (a *app) printSummary(asJSON bool, s campaign.Summary) error {
	if asJSON {
		return a.printJSON(s)
	}
	state := string(s.State)
	if s.Reason != "" {
		state += " (" + string(s.Reason) + ")"
	}
	rows := []row{
		{"id", s.ID}, {"channel", s.Channel}, {"state", state}, {"note", oneLine(s.Note)}, {"mode", string(s.Mode)},
		{"recipients", count(s.Recipients)}, {"sent", count(s.Sent)}, {"failed", count(s.Failed)},
		{"unknown", count(s.Unknown)}, {"pending", count(s.Pending)}, {"failures", failuresBy(s)},
		{"rejected rows", some(s.Rejected)}, {"duplicate rows", some(s.Duplicates)}, {"chunks", count(s.Chunks)},
		{"requests", count(s.Requests)}, {"replayed", some(s.Replayed)}, {"created", moment(s.CreatedAt)},
		{"started", moment(s.StartedAt)}, {"finished", moment(s.FinishedAt)},
	}
	return a.printRows(append(rows, forecastRows(s.Forecast)...))
}

// forecastRows are what a preflight found out.
func forecastRows(f *campaign.Forecast) []row {
	if f == nil {
		return nil
	}
	left := "unlimited"
	if f.QuotaLeft >= 0 {
		left = count(f.QuotaLeft)
	}
	seconds := time.Duration(f.Seconds * float64(time.Second))
	return []row{
		{"forecast", count(f.Requests) + " requests, at least " + roughly(seconds)},
		{"quota cost", "at most " + count(f.QuotaCost)}, {"quota left", left},
	}
}

// printReport writes what an intake has made.
func (a *app) printReport(asJSON bool, r producer.Report) error {
	if asJSON {
		return a.printJSON(r)
	}
	state := string(r.State)
	if r.Duplicate {
		state += " (it was sent before: nothing was added)"
	}
	return a.printRows([]row{
		{"id", r.ID}, {"channel", r.Channel}, {"state", state}, {"mode", string(r.Mode)}, {"recipients", count(r.Recipients)},
		{"rejected rows", some(r.Rejected)}, {"duplicate rows", some(r.Duplicates)}, {"chunks", count(r.Chunks)},
	})
}

// rowState is a recipient of a campaign, and what became of it.
type rowState struct {
	To        string         `json:"to"`
	Template  string         `json:"template,omitempty"`
	Outcome   string         `json:"outcome"`
	Reason    lineapi.Reason `json:"reason"`
	Error     string         `json:"error"`
	Replayed  bool           `json:"replayed"`
	RequestID string         `json:"request_id"`
	At        *time.Time     `json:"at"`
}

const rowJSON = `{"to","template","outcome","reason","error","replayed","request_id","at"}`

// pending is the outcome of a recipient that has none yet, in words.
const pending = "pending"

func rowOf(r campaign.Row) rowState {
	s := rowState{
		To: r.To, Template: r.Template, Outcome: cmp.Or(string(r.Outcome), pending), Reason: r.Reason, Error: r.Error,
		Replayed: r.Replayed, RequestID: r.RequestID,
	}
	if !r.At.IsZero() {
		at := r.At.UTC()
		s.At = &at
	}
	return s
}

// printRecipients writes a table of recipients.
func (a *app) printRecipients(rows []rowState) error {
	lines := [][]string{{"TO", "OUTCOME", "REASON", "REQUEST ID", "AT", "ERROR"}}
	for _, r := range rows {
		outcome := a.paint(tasks.Outcome(r.Outcome), r.Outcome)
		if r.Replayed {
			outcome += " (replayed)"
		}
		lines = append(lines, []string{r.To, outcome, string(r.Reason), r.RequestID, second(r.At), oneLine(r.Error)})
	}
	return a.printTable(lines)
}

// failuresBy lists the reasons of failures, the most frequent one first.
func failuresBy(s campaign.Summary) string {
	reasons := slices.SortedFunc(maps.Keys(s.FailuresBy), func(x, y lineapi.Reason) int {
		return cmp.Or(cmp.Compare(s.FailuresBy[y], s.FailuresBy[x]), cmp.Compare(x, y))
	})
	var parts []string
	for _, r := range reasons {
		parts = append(parts, fmt.Sprintf("%s %s", r, count(s.FailuresBy[r])))
	}
	return strings.Join(parts, ", ")
}

// count writes a number as people read it: 1,234,567.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// some is count of what is worth a line: nothing for zero.
func some(n int64) string {
	if n == 0 {
		return ""
	}
	return count(n)
}

// roughly writes a duration as people say it: 40 s, 4 min 40 s, 2 h 10 min.
func roughly(d time.Duration) string {
	switch s := int64((d + time.Second - 1) / time.Second); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	default:
		return fmt.Sprintf("%d days %d h", s/86400, s%86400/3600)
	}
}
