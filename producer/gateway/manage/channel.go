package manage

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// state is what is known of a channel.
type state struct {
	Channel    string     `json:"channel"`
	State      string     `json:"state"` // running or held
	Holds      []hold     `json:"holds"`
	Waiting    int64      `json:"waiting"`
	LastSeenAt *time.Time `json:"last_seen_at"`
}

type hold struct {
	Reason lineapi.Reason `json:"reason"`
	Since  time.Time      `json:"since"`
	Until  *time.Time     `json:"until"`
	Note   string         `json:"note"`
	By     string         `json:"by"`
}

// quotaTime is how long LINE may take to answer.
const quotaTime = 15 * time.Second

func (a *API) channels(w http.ResponseWriter, r *http.Request) error {
	names, err := a.known(r.Context())
	if err != nil {
		return err
	}
	states, err := a.states(r.Context(), names)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Channels []state `json:"channels"`
	}{states})
	return nil
}

// known are the channels that workers serve, that are held, or that callers can call for.
func (a *API) known(ctx context.Context) ([]string, error) {
	seen, err := channel.LastSeen(ctx, a.redis)
	if err != nil {
		return nil, err
	}
	names, err := channel.Attention(ctx, a.redis)
	if err != nil {
		return nil, err
	}
	names = append(names, slices.Collect(maps.Keys(seen))...)
	names = append(names, slices.Collect(maps.Keys(a.access.Load().clients))...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (a *API) states(ctx context.Context, names []string) ([]state, error) {
	seen, err := channel.LastSeen(ctx, a.redis)
	if err != nil {
		return nil, err
	}
	holds, err := channel.Holds(ctx, a.redis, names...)
	if err != nil {
		return nil, err
	}
	waiting, err := a.q.Waiting(ctx, names...)
	if err != nil {
		return nil, err
	}
	states := make([]state, len(names))
	for i, name := range names {
		s := state{Channel: name, State: "running", Holds: []hold{}, Waiting: waiting[name]}
		for _, h := range holds[name] {
			shown := hold{Reason: h.Reason, Since: h.Since.UTC(), Note: h.Note, By: h.By}
			if !h.Until.IsZero() {
				until := h.Until.UTC()
				shown.Until = &until
			}
			s.State, s.Holds = "held", append(s.Holds, shown)
		}
		if at, ok := seen[name]; ok {
			s.LastSeenAt = &at
		}
		states[i] = s
	}
	return states, nil
}

// channelName is that of the path, if there is such a channel.
func (a *API) channelName(r *http.Request) (string, error) {
	name := r.PathValue("channel")
	if err := checkName(tasks.CheckChannel(name)); err != nil {
		return "", err
	}
	names, err := a.known(r.Context())
	if err == nil && !slices.Contains(names, name) {
		err = problem{Status: http.StatusNotFound, Detail: "there is no such channel"}
	}
	return name, err
}

func (a *API) channel(w http.ResponseWriter, r *http.Request) error {
	name, err := a.channelName(r)
	if err != nil {
		return err
	}
	return a.showChannel(w, r, name)
}

func (a *API) showChannel(w http.ResponseWriter, r *http.Request, name string) error {
	states, err := a.states(r.Context(), []string{name})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, states[0])
	return nil
}

func (a *API) hold(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Note  string `json:"note"`
		Until string `json:"until"`
	}
	name, err := a.channelName(r)
	if err = cmp.Or(err, readJSON(w, r, &body)); err != nil {
		return err
	}
	until, err := moment(body.Until, "until")
	if err != nil {
		return err
	}
	h := channel.Hold{Reason: channel.Operator, Note: body.Note, Until: until, By: "API key " + key(r.Context()).Name}
	if _, err := channel.Put(r.Context(), a.redis, name, h); err != nil {
		return err
	}
	return a.showChannel(w, r, name)
}

func (a *API) resume(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Reason lineapi.Reason `json:"reason"`
	}
	name, err := a.channelName(r)
	if err = cmp.Or(err, readJSON(w, r, &body)); err != nil {
		return err
	}
	if body.Reason != "" && !slices.Contains(channel.Reasons, body.Reason) {
		return bad("reason is one of auth, quota and operator")
	}
	for _, reason := range channel.Reasons {
		if body.Reason != "" && body.Reason != reason {
			continue
		}
		if _, err := channel.Lift(r.Context(), a.redis, name, reason); err != nil {
			return err
		}
	}
	return a.showChannel(w, r, name)
}

// quota asks LINE.
func (a *API) quota(w http.ResponseWriter, r *http.Request) error {
	name, err := a.channelName(r)
	if err != nil {
		return err
	}
	client := a.access.Load().clients[name]
	if client == nil {
		return problem{Status: http.StatusNotFound, Detail: "there is no token for this channel here"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), quotaTime)
	defer cancel()
	limit, err := client.Quota(ctx)
	if err != nil {
		return err
	}
	used, err := client.QuotaConsumption(ctx)
	if err != nil {
		return err
	}
	shown := struct {
		Limit *int64 `json:"limit"` // null: none
		Used  int64  `json:"used"`
		Left  *int64 `json:"left"`
	}{Used: used}
	if limit.Type != "none" {
		left := max(0, limit.Value-used)
		shown.Limit, shown.Left = &limit.Value, &left
	}
	writeJSON(w, http.StatusOK, shown)
	return nil
}
