package manage

import (
	"cmp"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

const (
	// maxAudience is some ten million recipients with a few values each.
	maxAudience = 2 << 30
	// maxPlan bounds the part with the messages.
	maxPlan = 4 << 20
	// partTime is how long each part of an audience may take to come.
	partTime = 30 * time.Second
	// intakeTime is how long Redis may take after the last row.
	intakeTime = time.Minute
)

// order is what a new campaign is asked for, in the first part of the body.
type order struct {
	ID                     string              `json:"id"`
	Channel                string              `json:"channel"`
	Messages               []lineapi.Message   `json:"messages"`
	Templates              []campaign.Template `json:"templates"`
	NotificationDisabled   bool                `json:"notificationDisabled"`
	CustomAggregationUnits []string            `json:"customAggregationUnits"`
	At                     string              `json:"at"`
	Rate                   float64             `json:"rate"` // recipients a second
	Window                 string              `json:"window"`
	TimeZone               string              `json:"time_zone"`
	MaxFailures            float64             `json:"max_failures"`
	Partial                bool                `json:"partial"`
	DryRun                 bool                `json:"dry_run"`
	Strict                 bool                `json:"strict"`
	Webhook                string              `json:"webhook"`
}

// rejected is a row that can't be used. The first hundred are told.
type rejected struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

const maxRejected = 100

// createCampaign answers POST /campaigns. The body is multipart/form-data: first the part "campaign", then the part
// "audience", which is read as it comes. Its Idempotency-Key is the campaign's ID where the order names none.
func (a *API) createCampaign(w http.ResponseWriter, r *http.Request) error {
	// A Redis that doesn't tell how much memory it has is given the campaign.
	if full, err := gateway.Full(r.Context(), a.redis); err == nil && full {
		return problem{Status: http.StatusServiceUnavailable, Detail: "Redis is nearly full, try again later"}
	}
	control := http.NewResponseController(w)
	r.Body = &patient{ReadCloser: http.MaxBytesReader(w, r.Body, maxAudience), control: control}
	parts, err := r.MultipartReader()
	if err != nil {
		return problem{Status: http.StatusUnsupportedMediaType, Detail: "the body must be multipart/form-data"}
	}
	first, err := nextPart(parts, "campaign")
	if err != nil {
		return err
	}
	var o order
	if err := decode(http.MaxBytesReader(w, first, maxPlan), &o); err != nil {
		return err
	}
	cp, err := o.campaign()
	if err != nil {
		return err
	}
	if idempotencyKey := r.Header.Get("Idempotency-Key"); cp.ID == "" && idempotencyKey != "" {
		cp.ID = "idempotent-" + digest(key(r.Context()).Name, idempotencyKey)[:32]
	}
	rows, err := nextPart(parts, "audience")
	if err != nil {
		return err
	}
	wrong := []rejected{}
	cp.To = audience.Read(rows)
	cp.Rejected = func(e campaign.RowError) {
		if len(wrong) < maxRejected {
			wrong = append(wrong, rejected{e.Line, e.Reason})
		}
	}
	report, err := a.q.Campaign(r.Context(), cp, producer.Channel(cmp.Or(o.Channel, tasks.DefaultChannel)))
	_ = control.SetWriteDeadline(time.Now().Add(intakeTime))
	if err != nil {
		return refusedCampaign(err)
	}
	status := http.StatusCreated
	if report.Duplicate {
		status = http.StatusOK
	}
	writeJSON(w, status, struct {
		producer.Report
		RejectedRows []rejected `json:"rejected_rows"`
	}{report, wrong})
	return nil
}

// refusedCampaign tells what is wrong with a campaign from what is wrong with Redis.
func refusedCampaign(err error) error {
	if p := problemOf(err); p.Status != http.StatusServiceUnavailable {
		return p
	}
	if isAway(err) {
		return err
	}
	return problem{Status: http.StatusUnprocessableEntity, Detail: err.Error()}
}

func nextPart(parts *multipart.Reader, name string) (*multipart.Part, error) {
	part, err := parts.NextPart()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, err
	case err != nil || part.FormName() != name:
		return nil, bad(`the body has two parts: first "campaign", then "audience"; it lacks "` + name + `" there`)
	}
	return part, nil
}

func (o order) campaign() (producer.Campaign, error) {
	cp := producer.Campaign{
		ID: o.ID, Messages: o.Messages, Templates: o.Templates, NotificationDisabled: o.NotificationDisabled,
		CustomAggregationUnits: o.CustomAggregationUnits, Rate: o.Rate, MaxFailures: o.MaxFailures, Partial: o.Partial,
		DryRun: o.DryRun, Strict: o.Strict, Webhook: o.Webhook,
	}
	var err error
	if cp.At, err = moment(o.At, "at"); err != nil {
		return cp, err
	}
	if o.Window != "" {
		if cp.Window, err = campaign.ParseWindow(o.Window, o.TimeZone); err != nil {
			return cp, bad(err.Error())
		}
	}
	if o.ID != "" {
		if err := tasks.CheckID(o.ID); err != nil {
			return cp, bad(err.Error())
		}
	}
	if o.Channel != "" {
		if err := tasks.CheckChannel(o.Channel); err != nil {
			return cp, bad(err.Error())
		}
	}
	return cp, nil
}

// patient gives every part of a body its own time to come.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(partTime))
	_ = p.control.SetWriteDeadline(time.Now().Add(partTime + intakeTime))
	return p.ReadCloser.Read(b)
}

func (a *API) campaigns(w http.ResponseWriter, r *http.Request) error {
	all, err := a.q.Campaigns(r.Context())
	if err != nil {
		return err
	}
	name := r.URL.Query().Get("channel")
	found := []campaign.Summary{}
	for _, sum := range all {
		if name == "" || sum.Channel == name {
			found = append(found, sum)
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Campaigns []campaign.Summary `json:"campaigns"`
	}{found})
	return nil
}

// summarized answers with a campaign's summary.
func summarized(w http.ResponseWriter, sum campaign.Summary, err error) error {
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, sum)
	return nil
}

// campaignID is that of the path.
func campaignID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	return id, checkName(tasks.CheckID(id))
}

func (a *API) campaign(w http.ResponseWriter, r *http.Request) error {
	id, err := campaignID(r)
	if err != nil {
		return err
	}
	sum, err := a.q.CampaignSummary(r.Context(), id)
	return summarized(w, sum, err)
}

// campaignRate answers GET /campaigns/{id}/rate: how many recipients were decided when.
func (a *API) campaignRate(w http.ResponseWriter, r *http.Request) error {
	id, err := campaignID(r)
	if err != nil {
		return err
	}
	p, err := a.q.CampaignPace(r.Context(), id)
	if err != nil {
		return err
	}
	rate := struct {
		ID      string     `json:"id"`
		Start   *time.Time `json:"start"`
		Seconds float64    `json:"bucket_seconds"`
		Decided []int64    `json:"decided"`
		Recent  float64    `json:"recent_per_second"`
	}{ID: id, Seconds: p.Bucket.Seconds(), Decided: append([]int64{}, p.Decided...), Recent: p.Recent()}
	if !p.Start.IsZero() {
		rate.Start = &p.Start
	}
	writeJSON(w, http.StatusOK, rate)
	return nil
}

func (a *API) pauseCampaign(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Note string `json:"note"`
	}
	id, err := campaignID(r)
	if err = cmp.Or(err, readJSON(w, r, &body)); err != nil {
		return err
	}
	sum, err := a.q.PauseCampaign(r.Context(), id, body.Note)
	return summarized(w, sum, err)
}

func (a *API) resumeCampaign(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		MaxFailures *float64 `json:"max_failures"`
	}
	id, err := campaignID(r)
	if err = cmp.Or(err, readJSON(w, r, &body)); err != nil {
		return err
	}
	if m := body.MaxFailures; m != nil && !(*m >= 0 && *m <= 1) {
		return bad("max_failures is a share, from 0 to 1")
	}
	sum, err := a.q.ResumeCampaign(r.Context(), id, body.MaxFailures)
	return summarized(w, sum, err)
}

func (a *API) cancelCampaign(w http.ResponseWriter, r *http.Request) error {
	id, err := campaignID(r)
	if err != nil {
		return err
	}
	sum, err := a.q.CancelCampaign(r.Context(), id)
	return summarized(w, sum, err)
}

func (a *API) retryCampaign(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		ID      string `json:"id"`
		Unknown bool   `json:"unknown"`
		At      string `json:"at"`
	}
	id, err := campaignID(r)
	if err = cmp.Or(err, readJSON(w, r, &body)); err != nil {
		return err
	}
	at, err := moment(body.At, "at")
	if err != nil {
		return err
	}
	if body.ID != "" {
		if err := checkName(tasks.CheckID(body.ID)); err != nil {
			return err
		}
		if body.ID == id {
			return bad("a retry needs an id of its own")
		}
	}
	report, err := a.q.RetryCampaign(r.Context(), id, producer.Retry{ID: body.ID, Unknown: body.Unknown, At: at})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, report)
	return nil
}
