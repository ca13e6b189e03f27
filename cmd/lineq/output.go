package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/lineq/lineq/tasks"
)

// printJSON writes one JSON document on one line.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// note tells the user something that isn't a result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, "note: "+format+"\n", args...)
}

// row is one named value of a result.
type row struct{ name, value string }

// printRows writes the values that aren't empty, one a line, below each other.
func (a *app) printRows(rows []row) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if r.value != "" {
			fmt.Fprintf(w, "%s\t%s\n", r.name, r.value)
		}
	}
	return w.Flush()
}

// printTable writes lines of columns; the first line names them.
func (a *app) printTable(lines [][]string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(l, "\t"), "\t"))
	}
	return w.Flush()
}

// isTerminal tells whether somebody looks on while w is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// paint colours an outcome on a terminal, unless NO_COLOR is set (https://no-color.org).
func (a *app) paint(o tasks.Outcome, text string) string {
	colour := map[tasks.Outcome]int{tasks.OutcomeSent: 32, tasks.OutcomeFailed: 31, tasks.OutcomeUnknown: 33}[o]
	if colour == 0 || a.getenv("NO_COLOR") != "" || !isTerminal(a.stdout) {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// printResult writes what is known of a task.
func (a *app) printResult(r tasks.Result) error {
	outcome := ""
	if r.Outcome != "" {
		outcome = a.paint(r.Outcome, string(r.Outcome))
	}
	if r.Replayed {
		outcome += " (LINE had accepted an earlier attempt)"
	}
	rows := []row{
		{"id", r.ID}, {"kind", string(r.Kind)}, {"channel", r.Channel}, {"state", string(r.State)},
		{"due", moment(r.DueAt)},
		{"outcome", outcome}, {"reason", string(r.Reason)}, {"error", r.Error}, {"request id", r.RequestID},
		{"attempts", strconv.Itoa(r.Attempts)}, {"first attempt", moment(r.FirstAttemptAt)},
		{"finished", moment(r.FinishedAt)}, {"data", string(r.Data)},
	}
	for _, e := range r.Earlier {
		text := moment(e.At)
		for _, part := range []string{string(e.Outcome), string(e.Reason), oneLine(e.Error), e.RequestID} {
			if part != "" {
				text += "  " + part
			}
		}
		rows = append(rows, row{"attempt " + strconv.Itoa(e.Attempt), text})
	}
	return a.printRows(rows)
}

// printResults writes a table of tasks.
func (a *app) printResults(all []tasks.Result) error {
	lines := [][]string{{"ID", "KIND", "CHANNEL", "STATE", "DUE", "ATTEMPTS", "OUTCOME", "REASON"}}
	for _, r := range all {
		lines = append(lines, []string{
			r.ID, string(r.Kind), r.Channel, string(r.State), moment(r.DueAt), strconv.Itoa(r.Attempts), string(r.Outcome),
			string(r.Reason),
		})
	}
	return a.printTable(lines)
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}
