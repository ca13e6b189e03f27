package dashboard

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
)

const (
	// failuresPerPage is how many failed recipients a page shows.
	failuresPerPage = 100
	// failureSpan is how many recipients are looked at for a page, at most: some tenths of a second.
	failureSpan = 200_000
)

// failuresView is a page of those whom a campaign didn't reach.
type failuresView struct {
	campaign.Summary
	Chosen  lineapi.Reason
	Rows    []campaign.Failure
	Next    template.URL // the query of the next page; empty: there is none
	Shown   bool         // this isn't the first page
	Looked  int64        // where nobody was found: up to which recipient was looked
	Expired bool
}

func (d *Dashboard) loadFailures(ctx context.Context, v *visit) (any, error) {
	sum, err := d.campaignOf(ctx, v)
	if err != nil {
		return nil, err
	}
	q := v.URL.Query()
	from, err := strconv.ParseInt(cmp.Or(q.Get("from"), "1"), 10, 64)
	if err != nil || from < 1 {
		return nil, bad("from is the number of a recipient, from 1.")
	}
	view := failuresView{Summary: sum, Chosen: lineapi.Reason(q.Get("reason")), Shown: from > 1}
	if _, known := sum.FailuresBy[view.Chosen]; !known && view.Chosen != "" {
		return nil, problem{http.StatusNotFound, "Nobody failed for this reason."}
	}
	if sum.Failed+sum.Unknown == 0 {
		return view, nil
	}
	rows, next, err := d.campaigns.Failures(ctx, sum.ID, view.Chosen, from, failuresPerPage, failureSpan)
	if errors.Is(err, campaign.ErrExpired) {
		view.Expired = true
		return view, nil
	}
	if err != nil {
		return nil, err
	}
	view.Rows = rows
	if next > 0 {
		view.Next = template.URL(url.Values{"reason": {string(view.Chosen)}, "from": {strconv.FormatInt(next, 10)}}.Encode())
		view.Looked = next - 1
	}
	return view, nil
}

const (
	// examplesOf is how many failures of each reason a campaign's page shows.
	examplesOf = 3
	// exampleSpan and exampleRows bound what is read for them.
	exampleSpan, exampleRows = 50_000, 500
	// examplesFor is how long they stay as they are while there are more and more.
	examplesFor = 5 * time.Second
	// maxExamples is of how many campaigns they are kept.
	maxExamples = 64
)

// examples are some failures of campaigns, by reason, which all who look share.
type examples struct {
	mu  sync.Mutex
	all map[string]exampleSet
}

type exampleSet struct {
	at     time.Time
	failed int64 // how many there were
	found  map[lineapi.Reason][]campaign.Failure
}

// of are those of a campaign. Without them its page shows counts alone, so an error is none.
func (e *examples) of(ctx context.Context, store *campaign.Store, sum campaign.Summary) map[lineapi.Reason][]campaign.Failure {
	failed := sum.Failed + sum.Unknown
	if failed == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	have, known := e.all[sum.ID]
	if known && (have.failed == failed || time.Since(have.at) < examplesFor) {
		return have.found
	}
	rows, _, err := store.Failures(ctx, sum.ID, "", 1, exampleRows, exampleSpan)
	if err != nil {
		return have.found
	}
	fresh := exampleSet{time.Now(), failed, map[lineapi.Reason][]campaign.Failure{}}
	for _, row := range rows {
		reason := cmp.Or(row.Reason, lineapi.Unknown)
		some := fresh.found[reason]
		if len(some) < examplesOf {
			fresh.found[reason] = append(some, row)
		}
	}
	if len(e.all) >= maxExamples {
		clear(e.all)
	}
	e.all[sum.ID] = fresh
	return fresh.found
}
