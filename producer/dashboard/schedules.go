package dashboard

import (
	"context"
	"errors"
	"net/http"

	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks/schedule"
)

func (d *Dashboard) scheduleSection() section {
	const one = "schedules/{id}/"
	return section{
		nav: []entry{{"schedules", "Schedules"}},
		pages: []page{
			{path: "schedules", nav: "schedules", template: "schedules", live: []string{"list"}, load: d.loadSchedules},
			{path: one + "remove", nav: "schedules", template: "confirm", load: d.askRemove, needs: manage.Operate},
			{path: one + "run", nav: "schedules", template: "confirm", load: d.askTick, needs: manage.Send},
		},
		actions: []action{
			{one + "pause", manage.Operate, d.onSchedule("paused", d.cfg.Producer.PauseSchedule)},
			{one + "resume", manage.Operate, d.onSchedule("schedule-resumed", d.cfg.Producer.ResumeSchedule)},
			{one + "run", manage.Send, d.onSchedule("asked", d.cfg.Producer.RunSchedule)},
			{one + "remove", manage.Operate, d.removeSchedule},
		},
		says: map[string]string{
			"paused":           "The schedule is paused. What it has enqueued goes on.",
			"schedule-resumed": "The schedule goes on with its next tick.",
			"asked":            "A worker does now once what a tick does.",
			"removed":          "The schedule is gone. What it has enqueued goes on.",
		},
	}
}

// maxSchedules is how many are shown.
const maxSchedules = 200

// schedulesView is what the page of schedules shows.
type schedulesView struct {
	Schedules []schedule.Summary
	More      int
}

func (d *Dashboard) loadSchedules(ctx context.Context, _ *visit) (any, error) {
	all, err := d.schedules.get(ctx)
	view := schedulesView{Schedules: all}
	if len(all) > maxSchedules {
		view.Schedules, view.More = all[:maxSchedules], len(all)-maxSchedules
	}
	return view, err
}

// scheduleOf is the schedule of the path.
func (d *Dashboard) scheduleOf(ctx context.Context, v *visit) (schedule.Summary, error) {
	id := v.PathValue("id")
	if err := schedule.CheckID(id); err != nil {
		return schedule.Summary{}, bad(err.Error())
	}
	return d.cfg.Producer.ScheduleSummary(ctx, id)
}

func factsOfSchedule(s schedule.Summary) []fact {
	facts := []fact{{"Channel", s.Channel}, {"Sends", string(s.Kind)}, {"When", s.Cron + " (" + s.Zone + ")"}}
	if s.Audience != "" {
		facts = append(facts, fact{"To whom", s.Audience})
	}
	return facts
}

func (d *Dashboard) askRemove(ctx context.Context, v *visit) (any, error) {
	s, err := d.scheduleOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return confirm{
		Title: "Remove " + s.ID, Text: []string{"The schedule ends for good. What it has enqueued goes on."},
		Facts: factsOfSchedule(s), Button: "Remove the schedule", Danger: true, Back: "schedules",
	}, nil
}

func (d *Dashboard) askTick(ctx context.Context, v *visit) (any, error) {
	s, err := d.scheduleOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return confirm{
		Title: "Run " + s.ID + " now", Text: []string{"A worker does once what a tick does: it sends to real people. The schedule's own " +
			"ticks come as before."},
		Facts: factsOfSchedule(s), Button: "Run it now", Back: "schedules",
	}, nil
}

// onSchedule makes an action of a producer's call.
func (d *Dashboard) onSchedule(
	code string, call func(context.Context, string) (schedule.Summary, error),
) func(context.Context, *visit) (string, error) {
	return func(ctx context.Context, v *visit) (string, error) {
		id := v.PathValue("id")
		if err := schedule.CheckID(id); err != nil {
			return "", bad(err.Error())
		}
		if _, err := call(ctx, id); err != nil {
			return "", err
		}
		d.schedules.forget()
		return done("schedules", code), nil
	}
}

func (d *Dashboard) removeSchedule(ctx context.Context, v *visit) (string, error) {
	id := v.PathValue("id")
	if err := schedule.CheckID(id); err != nil {
		return "", bad(err.Error())
	}
	if err := d.cfg.Producer.RemoveSchedule(ctx, id); err != nil {
		if errors.Is(err, schedule.ErrNotFound) {
			err = problem{http.StatusNotFound, "There is no such schedule (any more)."}
		}
		return "", err
	}
	d.schedules.forget()
	return done("schedules", "removed"), nil
}
