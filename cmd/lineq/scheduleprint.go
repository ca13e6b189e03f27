package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/schedule"
)

// printSchedule writes how a schedule stands.
func (a *app) printSchedule(asJSON bool, s schedule.Summary) error {
	if asJSON {
		return a.printJSON(s)
	}
	rows := []row{
		{"id", s.ID}, {"channel", s.Channel}, {"kind", string(s.Kind)}, {"cron", s.Cron},
		{"time zone", cmp.Or(s.Zone, "UTC")}, {"audience", s.Audience}, {"command", oneLine(s.Command)},
		{"missed", missedText(s)}, {"state", scheduleState(s)},
	}
	for i, t := range s.Next {
		name := "next"
		if i > 0 {
			name = "then"
		}
		rows = append(rows, row{name, tickTime(t, s.Zone) + " " + t.In(zoneOf(s.Zone)).Format("Mon")})
	}
	if l := s.Last; l != nil {
		rows = append(rows, row{"last", tickTime(l.Tick, s.Zone)}, row{"last id", l.ID}, row{"last state", string(l.State)},
			row{"error", oneLine(l.Error)}, row{"outcome", a.runOutcome(*l)})
	}
	return a.printRows(rows)
}

// printSchedules writes a table of schedules.
func (a *app) printSchedules(all []schedule.Summary) error {
	lines := [][]string{{"ID", "CHANNEL", "KIND", "CRON", "TZ", "STATE", "NEXT", "LAST", "OUTCOME"}}
	for _, s := range all {
		next := make([]string, len(s.Next))
		for i, t := range s.Next {
			next[i] = tickTime(t, s.Zone)
		}
		last, outcome := "", ""
		if s.Last != nil {
			last, outcome = tickTime(s.Last.Tick, s.Zone), cmp.Or(a.runOutcome(*s.Last), string(s.Last.State))
		}
		lines = append(lines, []string{
			s.ID, s.Channel, string(s.Kind), s.Cron, cmp.Or(s.Zone, "UTC"), scheduleState(s), strings.Join(next, ", "), last, outcome,
		})
	}
	return a.printTable(lines)
}

// runOutcome is what became of what a run has enqueued.
func (a *app) runOutcome(r schedule.Run) string {
	if r.Outcome == "" {
		return ""
	}
	text := a.paint(tasks.Outcome(r.Outcome), r.Outcome)
	if r.Reason != "" {
		text += " (" + string(r.Reason) + ")"
	}
	return text
}

func scheduleState(s schedule.Summary) string {
	switch {
	case s.Cron == "":
		return "of a newer lineq"
	case s.Paused:
		return "paused"
	case len(s.Next) == 0:
		return "over"
	}
	return "active"
}

func missedText(s schedule.Summary) string {
	if s.Missed == schedule.Skip {
		return "skip"
	}
	return "run-once within " + shortDuration(s.Within)
}

// shortDuration is Go's own text without zeros at its end: 1h of 1h0m0s.
func shortDuration(d string) string {
	if strings.HasSuffix(d, "m0s") {
		d = strings.TrimSuffix(d, "0s")
	}
	if strings.HasSuffix(d, "h0m") {
		d = strings.TrimSuffix(d, "0m")
	}
	return d
}

// tickTime is a tick as a clock of its zone shows it.
func tickTime(t time.Time, zone string) string {
	layout := "2006-01-02 15:04"
	switch t = t.In(zoneOf(zone)); {
	case t.Nanosecond() != 0:
		layout += ":05.000"
	case t.Second() != 0:
		layout += ":05"
	}
	return t.Format(layout)
}

// zoneOf is UTC where none is named.
func zoneOf(zone string) *time.Location {
	l, err := time.LoadLocation(zone)
	if err != nil {
		return time.UTC
	}
	return l
}
