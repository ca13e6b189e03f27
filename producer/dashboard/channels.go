package dashboard

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/record"
)

func (d *Dashboard) channelSection() section {
	return section{
		nav: []entry{{"channels", "Channels"}},
		pages: []page{
			{path: "channels", nav: "channels", template: "channels", live: []string{"channels"}, load: d.loadChannels},
			{
				path: "channels/{channel}", nav: "channels", template: "channel", load: d.loadChannel,
				live: []string{"holds", "queues", "limits", "quota-facts", "latest"},
			},
			{path: "channels/{channel}/hold", nav: "channels", template: "confirm", load: d.askHold, needs: manage.Operate},
			{path: "channels/{channel}/resume", nav: "channels", template: "confirm", load: d.askResume, needs: manage.Operate},
		},
		actions: []action{
			{"channels/{channel}/hold", manage.Operate, d.hold},
			{"channels/{channel}/resume", manage.Operate, d.resume},
		},
		says: map[string]string{
			"held": "The channel is held. Its tasks wait.", "held-before": "The channel was held already; the reason is the new one.",
			"resumed": "The channel goes on.", "not-held": "The channel wasn't held.",
		},
	}
}

func (d *Dashboard) loadChannels(ctx context.Context, _ *visit) (any, error) {
	s, err := d.now.get(ctx)
	if err != nil {
		return nil, err
	}
	return s.Channels, nil
}

// channelView is what the page of a channel shows.
type channelView struct {
	channelState
	Now    time.Time
	Limits []useState
	Lines  []record.Line // the last ones, newest first
}

const lastLines = 10

func (d *Dashboard) loadChannel(ctx context.Context, v *visit) (any, error) {
	c, err := d.channelOf(ctx, v)
	if err != nil {
		return nil, err
	}
	view := channelView{channelState: c, Now: time.Now()}
	uses, err := limit.Usage(ctx, d.cfg.Redis, []string{c.Name}, endpoint.All)
	if err != nil {
		return nil, err
	}
	for _, u := range uses {
		view.Limits = append(view.Limits, useState{u})
	}
	if view.Lines, err = d.records.LogTail(ctx, c.Name, lastLines); err != nil {
		return nil, err
	}
	slices.Reverse(view.Lines)
	return view, nil
}

// channelOf is the channel of the path, if there is such a one.
func (d *Dashboard) channelOf(ctx context.Context, v *visit) (channelState, error) {
	s, err := d.now.get(ctx)
	if err != nil {
		return channelState{}, err
	}
	name := v.PathValue("channel")
	if i := slices.IndexFunc(s.Channels, func(c channelState) bool { return c.Name == name }); i >= 0 {
		return s.Channels[i], nil
	}
	return channelState{}, problem{http.StatusNotFound, "There is no such channel."}
}

func (d *Dashboard) askHold(ctx context.Context, v *visit) (any, error) {
	c, err := d.channelOf(ctx, v)
	if err != nil {
		return nil, err
	}
	return confirm{
		Title: "Hold " + c.Name,
		Text: []string{
			"Nothing of this channel is sent any more until somebody resumes it. Its tasks and campaigns wait, and lose nothing; " +
				"only what has a deadline can expire meanwhile.",
		},
		Facts:  []fact{{"Channel", c.Name}, {"Tasks waiting", count(c.Waiting())}, {"Being sent", count(c.Active())}},
		Note:   &field{Name: "note", Label: "Reason", Hint: "For those who look at it later. No names, no secrets.", Most: 150},
		Button: "Hold " + c.Name, Back: "channels/" + c.Name,
	}, nil
}

func (d *Dashboard) askResume(ctx context.Context, v *visit) (any, error) {
	c, err := d.channelOf(ctx, v)
	if err != nil {
		return nil, err
	}
	if len(c.Holds) == 0 {
		return nil, errElsewhere{done("channels/"+c.Name, "not-held")}
	}
	ask := confirm{
		Title: "Resume " + c.Name, Facts: []fact{{"Channel", c.Name}, {"Tasks waiting", count(c.Waiting())}},
		Button: "Resume " + c.Name, Back: "channels/" + c.Name,
	}
	for _, h := range c.Holds {
		ask.Facts = append(ask.Facts, fact{"Held for", string(h.Reason) + " since " + h.Since.Format(time.DateTime)})
		switch h.Reason {
		case lineapi.Auth:
			ask.Text = append(ask.Text, "LINE refused the channel's token. If it still does, the channel is held again.")
		case lineapi.Quota:
			ask.Text = append(ask.Text, "This month's quota was spent. If it still is, the channel is held again.")
		}
	}
	return ask, nil
}

func (d *Dashboard) hold(ctx context.Context, v *visit) (string, error) {
	c, err := d.channelOf(ctx, v)
	if err != nil {
		return "", err
	}
	fresh, err := channel.Put(ctx, d.cfg.Redis, c.Name, channel.Hold{
		Reason: channel.Operator, Note: v.PostFormValue("note"), By: "API key " + v.Key.Name,
	})
	if err != nil {
		return "", err
	}
	d.now.forget()
	if !fresh {
		return done("channels/"+c.Name, "held-before"), nil
	}
	return done("channels/"+c.Name, "held"), nil
}

func (d *Dashboard) resume(ctx context.Context, v *visit) (string, error) {
	c, err := d.channelOf(ctx, v)
	if err != nil {
		return "", err
	}
	code := "not-held"
	for _, reason := range channel.Reasons {
		lifted, err := channel.Lift(ctx, d.cfg.Redis, c.Name, reason)
		if err != nil {
			return "", err
		}
		if lifted {
			code = "resumed"
		}
	}
	d.now.forget()
	return done("channels/"+c.Name, code), nil
}

// checkNames refuses what can't be names in a path.
func checkNames(name, id string) error {
	for _, err := range []error{tasks.CheckChannel(name), tasks.CheckID(id)} {
		if err != nil {
			return bad(err.Error())
		}
	}
	return nil
}
