package manage

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// row is one recipient of a campaign, and what became of it.
type row struct {
	To        string         `json:"to"`
	Outcome   tasks.Outcome  `json:"outcome"`
	Reason    lineapi.Reason `json:"reason"`
	RequestID string         `json:"request_id"`
	At        *time.Time     `json:"at"`
	Error     string         `json:"error"`
	Replayed  bool           `json:"replayed"`
}

// pending is what an export calls those who haven't been sent to.
const pending tasks.Outcome = "pending"

func rowOf(r campaign.Row) row {
	shown := row{
		To: r.To, Outcome: r.Outcome, Reason: r.Reason, RequestID: r.RequestID, Error: r.Error, Replayed: r.Replayed,
	}
	if shown.Outcome == "" {
		shown.Outcome = pending
	}
	if !r.At.IsZero() {
		at := r.At.UTC()
		shown.At = &at
	}
	return shown
}

// failures answers GET /campaigns/{id}/failures: who failed, and of whom nobody can know, one JSON object a line.
func (a *API) failures(w http.ResponseWriter, r *http.Request) error {
	return a.stream(w, r, "application/x-ndjson", func(r campaign.Row) bool {
		return r.Outcome == tasks.OutcomeFailed || r.Outcome == tasks.OutcomeUnknown
	})
}

// export answers GET /campaigns/{id}/export: every recipient, as CSV or, where that is asked for, as NDJSON.
func (a *API) export(w http.ResponseWriter, r *http.Request) error {
	format := "text/csv"
	if strings.Contains(r.Header.Get("Accept"), "application/x-ndjson") {
		format = "application/x-ndjson"
	}
	return a.stream(w, r, format, func(campaign.Row) bool { return true })
}

// stream writes the rows as they are read. One that breaks off ends its connection, so that nobody takes it for whole.
func (a *API) stream(w http.ResponseWriter, r *http.Request, format string, wanted func(campaign.Row) bool) error {
	id, err := campaignID(r)
	if err != nil {
		return err
	}
	if _, err := a.q.CampaignSummary(r.Context(), id); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	table, objects := csv.NewWriter(w), json.NewEncoder(w)
	objects.SetEscapeHTML(false)
	begun := false
	begin := func() error {
		begun = true
		w.Header().Set("Content-Type", format)
		if format != "text/csv" {
			return nil
		}
		return table.Write([]string{"to", "outcome", "reason", "request_id", "at", "error", "replayed"})
	}
	for found, err := range a.q.CampaignRecipients(r.Context(), id) {
		if err == nil && !begun {
			err = begin()
		}
		switch {
		case err != nil && !begun:
			return err
		case err != nil:
			a.log.Warn("an export broke off")
			panic(http.ErrAbortHandler)
		case !wanted(found):
			continue
		}
		_ = control.SetWriteDeadline(time.Now().Add(partTime))
		if err := write(table, objects, format, rowOf(found)); err != nil {
			return nil // the caller has left
		}
	}
	if !begun {
		_ = begin()
	}
	table.Flush()
	return nil
}

func write(table *csv.Writer, objects *json.Encoder, format string, r row) error {
	if format != "text/csv" {
		return objects.Encode(r)
	}
	at := ""
	if r.At != nil {
		at = r.At.Format(time.RFC3339)
	}
	return table.Write([]string{
		r.To, string(r.Outcome), string(r.Reason), r.RequestID, at, r.Error, strconv.FormatBool(r.Replayed),
	})
}
