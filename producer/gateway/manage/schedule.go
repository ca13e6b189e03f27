package manage

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/schedule"
)

// timetable is what a new schedule is asked for: a task, or a campaign whose audience is a file on the workers' machines. A
// command for the audience can't be given here: who may send must not run programs there.
type timetable struct {
	ID      string          `json:"id"`
	Channel string          `json:"channel"`
	Cron    string          `json:"cron"`
	Zone    string          `json:"tz"`
	Missed  schedule.Missed `json:"missed"`
	Within  string          `json:"missed_within"`

	Kind   tasks.Kind      `json:"kind"`
	Task   json.RawMessage `json:"task"`
	Urgent bool            `json:"urgent"`
	Expire string          `json:"expire"`

	Campaign *order `json:"campaign"`
	Audience string `json:"audience"`
}

// createSchedule answers POST /schedules. The same again changes nothing.
func (a *API) createSchedule(w http.ResponseWriter, r *http.Request) error {
	var t timetable
	if err := decode(http.MaxBytesReader(w, r.Body, maxPlan), &t); err != nil {
		return err
	}
	s, err := t.schedule()
	if err != nil {
		return err
	}
	name := cmp.Or(t.Channel, tasks.DefaultChannel)
	if err := checkName(schedule.CheckID(t.ID), tasks.CheckChannel(name)); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return refusedCampaign(err)
	}
	sum, err := a.q.Schedule(r.Context(), s, producer.Channel(name))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, sum)
	return nil
}

func (t timetable) schedule() (producer.Schedule, error) {
	s := producer.Schedule{
		ID: t.ID, Cron: t.Cron, Zone: t.Zone, Missed: t.Missed, Urgent: t.Urgent, Audience: t.Audience,
	}
	var err error
	if s.Within, err = duration(t.Within, "missed_within"); err != nil {
		return s, err
	}
	if s.Expire, err = duration(t.Expire, "expire"); err != nil {
		return s, err
	}
	switch {
	case (t.Campaign == nil) == (len(t.Task) == 0):
		return s, bad("a schedule has either a kind and a task, or a campaign")
	case t.Campaign != nil:
		cp, err := t.Campaign.campaign()
		s.Campaign = &cp
		return s, err
	}
	s.Task, err = tasks.DecodeTask(t.Kind, t.Task)
	if err != nil {
		err = bad(err.Error())
	}
	return s, err
}

func duration(text, name string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bad(name + " is no time such as 90s or 2h")
	}
	return d, nil
}

func (a *API) listSchedules(w http.ResponseWriter, r *http.Request) error {
	all, err := a.q.Schedules(r.Context())
	if err != nil {
		return err
	}
	shown := []schedule.Summary{}
	for _, sum := range all {
		if name := r.URL.Query().Get("channel"); name == "" || name == sum.Channel {
			shown = append(shown, sum)
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Schedules []schedule.Summary `json:"schedules"`
	}{shown})
	return nil
}

// onSchedule answers with what a call on one schedule gives.
func onSchedule(call func(ctx context.Context, id string) (schedule.Summary, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if err := checkName(schedule.CheckID(id)); err != nil {
			return err
		}
		sum, err := call(r.Context(), id)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, sum)
		return nil
	}
}

func (a *API) removeSchedule(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkName(schedule.CheckID(id)); err != nil {
		return err
	}
	if err := a.q.RemoveSchedule(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
