package manage

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
)

// problem is an error as RFC 9457 has it.
type problem struct {
	Type    string           `json:"type"`
	Title   string           `json:"title"`
	Status  int              `json:"status"`
	Detail  string           `json:"detail,omitempty"`
	Details []lineapi.Detail `json:"details,omitempty"` // what LINE would refuse, by JSON path
	cause   error            // for the log alone
}

func (p problem) Error() string { return p.Detail }

func bad(detail string) problem { return problem{Status: http.StatusBadRequest, Detail: detail} }

// problemOf is the one place that knows what an error means to a caller.
func problemOf(err error) problem {
	var known problem
	var refused *lineapi.Error
	var row *campaign.RowError
	var large *http.MaxBytesError
	text := err.Error()
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, producer.ErrNotFound), errors.Is(err, campaign.ErrNotFound), errors.Is(err, record.ErrNotFound),
		errors.Is(err, schedule.ErrNotFound):
		return problem{Status: http.StatusNotFound, Detail: text}
	case errors.Is(err, campaign.ErrExpired):
		return problem{Status: http.StatusGone, Detail: text}
	case errors.Is(err, producer.ErrIDReused), errors.Is(err, campaign.ErrIDReused), errors.Is(err, campaign.ErrIntake),
		errors.Is(err, producer.ErrBusy), errors.Is(err, producer.ErrDecided), errors.Is(err, producer.ErrNotQueued),
		errors.Is(err, record.ErrSent), errors.Is(err, campaign.ErrState), errors.Is(err, producer.ErrNobodyFailed),
		errors.Is(err, schedule.ErrIDReused):
		return problem{Status: http.StatusConflict, Detail: text}
	case errors.As(err, &refused) && refused.Unsent && refused.Reason == lineapi.Invalid:
		return problem{Status: http.StatusUnprocessableEntity, Detail: text, Details: refused.Details}
	case errors.As(err, &refused):
		return problem{Status: http.StatusBadGateway, Detail: text}
	case errors.As(err, &row), errors.Is(err, producer.ErrNobody):
		return problem{Status: http.StatusUnprocessableEntity, Detail: text}
	case errors.As(err, &large):
		return problem{Status: http.StatusRequestEntityTooLarge, Detail: text}
	}
	return problem{Status: http.StatusServiceUnavailable, Detail: "the queue is not available, try again later", cause: err}
}

// Explain says what an error of a producer's calls, of Redis or of LINE means to who asked: a status, and a text that holds
// nothing secret.
func Explain(err error) (status int, text string) {
	p := problemOf(err)
	return p.Status, p.Detail
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, p problem) {
	if p.cause != nil && !errors.Is(p.cause, context.Canceled) {
		a.log.Warn("a request to the management API failed", zap.String("path", r.Pattern), zap.Error(p.cause))
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, p.Status, p)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("manage: an answer doesn't marshal: " + err.Error())
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// maxBody bounds a JSON body.
const maxBody = 64 << 10

// readJSON reads a small JSON object strictly; no body is an empty one.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	return decode(http.MaxBytesReader(w, r.Body, maxBody), v)
}

func decode(in io.Reader, v any) error {
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one JSON object")
		}
	}
	var large *http.MaxBytesError
	var refused *lineapi.Error
	switch {
	case err == nil, errors.As(err, &large), errors.As(err, &refused):
		return err
	}
	return bad("the body can't be read: " + strings.TrimPrefix(err.Error(), "json: "))
}

type keyInContext struct{}

func withKey(ctx context.Context, k Key) context.Context {
	return context.WithValue(ctx, keyInContext{}, k)
}

// key is that of the caller of h.
func key(ctx context.Context) Key { k, _ := ctx.Value(keyInContext{}).(Key); return k }

// moments of the API are RFC 3339.
func moment(text, name string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, bad(name + " is no time such as 2026-11-23T21:31:08Z")
	}
	return t, nil
}

// cut splits a pattern of routes.
func cut(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, path
}
