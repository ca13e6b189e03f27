package dashboard

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/lineq/lineq/producer/gateway/manage"
)

// problem is an error with its page.
type problem struct {
	status int
	text   string
}

func (p problem) Error() string { return p.text }

// bad is for what was typed in or asked for and can't be.
func bad(text string) error { return problem{http.StatusBadRequest, text} }

// problemView is what an error's page shows.
type problemView struct {
	Status      int
	Title, Text string
}

// fail shows an error.
func (d *Dashboard) fail(w http.ResponseWriter, v *visit, err error) {
	shown := d.problemOf(v, err)
	if shown.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	d.render(w, shown.Status, "problem", d.frame(v, "", shown))
}

func (d *Dashboard) problemOf(v *visit, err error) problemView {
	var known problem
	var shown problemView
	if errors.As(err, &known) {
		shown.Status, shown.Text = known.status, known.text
	} else {
		shown.Status, shown.Text = manage.Explain(err)
	}
	switch shown.Status {
	case http.StatusServiceUnavailable:
		if !errors.Is(err, context.Canceled) {
			d.cfg.Log.Warn("a page of the dashboard failed", zap.String("path", v.Pattern), zap.Error(err))
		}
		shown.Title = "Redis doesn't answer"
		shown.Text = "What lineq knows is in Redis, which could not be asked. Messages that are queued stay there. " +
			"lineq doctor says more."
	case http.StatusNotFound:
		shown.Title = "Not found"
	case http.StatusForbidden:
		shown.Title = "Not allowed"
	case http.StatusConflict:
		shown.Title = "It isn't so any more"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		shown.Title = "This can't be done"
	default:
		shown.Title = http.StatusText(shown.Status)
	}
	return shown
}
