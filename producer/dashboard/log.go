package dashboard

import (
	"context"
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

func (d *Dashboard) logSection() section {
	return section{
		nav:   []entry{{"log", "Delivery log"}},
		pages: []page{{path: "log", nav: "log", template: "log", live: []string{"lines"}, load: d.loadLog, still: isSearch}},
		// The search is a POST, and leads to an address with the recipient's mark: an id doesn't belong into the logs of
		// proxies and the histories of browsers.
		actions: []action{{"log", manage.Read, d.searchLog}},
	}
}

const (
	// logPage is how many lines a page has.
	logPage = 50
	// maxSearched is how many lines are looked at for one page of a search; the next one goes on from there.
	maxSearched = 20_000
)

// logQuery is what is looked for.
type logQuery struct {
	Channel string
	ID      string
	Outcome tasks.Outcome
	Reason  lineapi.Reason
	To      string // mark of a recipient
	Before  string // cursor
}

// picks tells whether not all lines are meant.
func (q logQuery) picks() bool { return q.ID != "" || q.Outcome != "" || q.Reason != "" || q.To != "" }

func (q logQuery) matches(l record.Line) bool {
	return (q.ID == "" || l.ID == q.ID) && (q.Outcome == "" || l.Outcome == q.Outcome) &&
		(q.Reason == "" || l.Reason == q.Reason) && (q.To == "" || l.To == q.To)
}

// values is the query of the address.
func (q logQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"channel": q.Channel, "id": q.ID, "outcome": string(q.Outcome), "reason": string(q.Reason), "to": q.To, "before": q.Before,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

var (
	cursorForm = regexp.MustCompile(`^\d{1,20}-\d{1,20}$`)
	markForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`)
)

// logQueryOf checks what was asked for.
func logQueryOf(v url.Values) (logQuery, error) {
	q := logQuery{
		Channel: v.Get("channel"), ID: strings.TrimSpace(v.Get("id")), Outcome: tasks.Outcome(v.Get("outcome")),
		Reason: lineapi.Reason(v.Get("reason")), To: v.Get("to"), Before: v.Get("before"),
	}
	switch {
	case q.Channel != "" && tasks.CheckChannel(q.Channel) != nil:
		return q, bad(tasks.CheckChannel(q.Channel).Error())
	case q.ID != "" && tasks.CheckID(q.ID) != nil:
		return q, bad(tasks.CheckID(q.ID).Error())
	case q.To != "" && !markForm.MatchString(q.To):
		return q, bad("The address of this page names a recipient in a form that isn't known.")
	case q.Before != "" && !cursorForm.MatchString(q.Before):
		return q, bad("The address of this page names a line in a form that isn't known.")
	}
	return q, nil
}

func (d *Dashboard) searchLog(_ context.Context, v *visit) (string, error) {
	to := strings.TrimSpace(v.PostForm.Get("recipient"))
	if to != "" && !recipientForm.MatchString(to) {
		return "", bad("A recipient is the id of a user, a group or a room: U, C or R and 32 hexadecimal digits.")
	}
	v.PostForm.Set("to", record.MarkOf(to))
	if to == "" {
		v.PostForm.Set("to", v.PostForm.Get("mark")) // as it was
	}
	q, err := logQueryOf(v.PostForm)
	if err != nil {
		return "", err
	}
	q.Before = ""
	if q.Channel != "" && q.ID != "" && q.Outcome == "" && q.Reason == "" && q.To == "" {
		if n, err := d.cfg.Redis.Exists(v.Context(), (record.Ref{Channel: q.Channel, ID: q.ID}).Key()).Result(); err == nil && n == 1 {
			return "tasks/" + q.Channel + "/" + q.ID, nil
		}
	}
	if query := q.values().Encode(); query != "" {
		return "log?" + query, nil
	}
	return "log", nil
}

var recipientForm = regexp.MustCompile(`^[UCR][0-9a-f]{32}$`)

// isSearch tells of a page of the log that is too much to be read every second, or is of the past.
func isSearch(v *visit) bool {
	q, err := logQueryOf(v.URL.Query())
	return err != nil || q.picks() || q.Before != ""
}

// logView is what the page shows.
type logView struct {
	logQuery
	Channels []string
	Lines    []record.Line
	Older    template.URL // query of the next page; empty: there is none
	Searched int          // lines that were looked at
	Newest   bool         // it begins with the last line
	Found    []string
	Outcomes []tasks.Outcome
	Reasons  []lineapi.Reason
}

func (d *Dashboard) loadLog(ctx context.Context, v *visit) (any, error) {
	q, err := logQueryOf(v.URL.Query())
	if err != nil {
		return nil, err
	}
	s, err := d.now.get(ctx)
	if err != nil {
		return nil, err
	}
	view := logView{
		logQuery: q, Newest: q.Before == "",
		Outcomes: []tasks.Outcome{tasks.OutcomeSent, tasks.OutcomeFailed, tasks.OutcomeUnknown, tasks.OutcomeCancelled},
		Reasons: []lineapi.Reason{
			lineapi.Invalid, lineapi.Auth, lineapi.RateLimited, lineapi.Quota, lineapi.Server, lineapi.Network, lineapi.Expired,
			lineapi.Unknown,
		},
	}
	for _, c := range s.Channels {
		view.Channels = append(view.Channels, c.Name)
	}
	if q.Channel != "" && !slices.Contains(view.Channels, q.Channel) {
		view.Channels = append(view.Channels, q.Channel)
	}
	names := view.Channels
	if q.Channel != "" {
		names = []string{q.Channel}
	}
	if q.ID != "" && view.Newest {
		if view.Found, err = d.channelsWith(ctx, q.ID, names); err != nil {
			return nil, err
		}
	}
	last, err := d.readLog(ctx, q, names, &view)
	if err != nil {
		return nil, err
	}
	if last != "" {
		q.Before = last
		view.Older = template.URL(q.values().Encode())
	}
	return view, nil
}

// channelsWith are those in which there is a record of the id, so that a task is found that isn't decided.
func (d *Dashboard) channelsWith(ctx context.Context, id string, names []string) (found []string, err error) {
	exist := make([]*redis.IntCmd, len(names))
	if _, err := d.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range names {
			exist[i] = p.Exists(ctx, (record.Ref{Channel: name, ID: id}).Key())
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for i, e := range exist {
		if e.Val() == 1 {
			found = append(found, names[i])
		}
	}
	return found, nil
}

// readLog merges the logs of channels by time, newest first, until a page is full. It returns the cursor from which on
// there may be more; empty: nothing.
func (d *Dashboard) readLog(ctx context.Context, q logQuery, names []string, view *logView) (last string, err error) {
	if len(names) == 0 {
		return "", nil
	}
	batch := max(8, 2*logPage/int64(len(names)))
	if q.picks() {
		batch = max(100, 2000/int64(len(names)))
	}
	heads, err := d.records.LogBefore(ctx, q.Before, batch, names...)
	if err != nil {
		return "", err
	}
	full := map[string]bool{} // there may be more behind what was read
	for name, lines := range heads {
		full[name] = int64(len(lines)) == batch
	}
	for {
		newest := ""
		for _, name := range slices.Sorted(maps.Keys(heads)) {
			if len(heads[name]) > 0 && (newest == "" || later(heads[name][0].Cursor, heads[newest][0].Cursor)) {
				newest = name
			}
		}
		if newest == "" {
			return "", nil
		}
		l := heads[newest][0]
		if enough := len(view.Lines) >= logPage || view.Searched >= maxSearched; enough && l.Cursor != last {
			return last, nil
		}
		last = l.Cursor
		view.Searched++
		if q.matches(l) {
			view.Lines = append(view.Lines, l)
		}
		if heads[newest] = heads[newest][1:]; len(heads[newest]) == 0 && full[newest] {
			more, err := d.records.LogBefore(ctx, l.Cursor, batch, newest)
			if err != nil {
				return "", err
			}
			heads[newest], full[newest] = more[newest], int64(len(more[newest])) == batch
		}
	}
}

// later compares cursors.
func later(x, y string) bool {
	xms, xn := cursor(x)
	yms, yn := cursor(y)
	return xms > yms || xms == yms && xn > yn
}

func cursor(text string) (ms, n uint64) {
	before, after, _ := strings.Cut(text, "-")
	ms, _ = strconv.ParseUint(before, 10, 64)
	n, _ = strconv.ParseUint(after, 10, 64)
	return ms, n
}

// Span says how much of the log was looked at.
func (v logView) Span() string {
	if !v.picks() {
		return ""
	}
	return fmt.Sprintf("%s looked at", plural(v.Searched, "line"))
}
