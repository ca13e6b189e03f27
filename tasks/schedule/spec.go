package schedule

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// Spec says what is sent, and when.
type Spec struct {
	ID      string
	Channel string
	Cron    string // see ParseCalendar
	Zone    string // IANA name, such as Asia/Tokyo
	Missed  Missed // empty: RunOnce
	// Within is for how long after its time a tick may still run, with RunOnce. Zero: DefaultWithin.
	Within time.Duration

	// Task is what each tick enqueues; nil where it is a campaign.
	Task   tasks.Task
	Urgent bool
	// Expire gives up on what could not be sent so long after its tick. Zero: never.
	Expire time.Duration

	Campaign *Campaign
}

// Campaign is what each tick of a schedule sends to everybody in its audience of that time.
type Campaign struct {
	Templates              []campaign.Template `json:"templates"`
	NotificationDisabled   bool                `json:"notification_disabled,omitempty"`
	CustomAggregationUnits []string            `json:"custom_aggregation_units,omitempty"`
	Rate                   float64             `json:"rate,omitempty"`
	Window                 campaign.Window     `json:"window,omitzero"`
	MaxFailures            float64             `json:"max_failures,omitempty"`
	Partial                bool                `json:"partial,omitempty"`
	Strict                 bool                `json:"strict,omitempty"`
	Webhook                string              `json:"webhook,omitempty"`

	// Audience is the path of a file on the worker's machine, or Command a command line for its shell that prints one.
	Audience string `json:"audience,omitempty"`
	Command  string `json:"command,omitempty"`
}

// Kind is what a schedule enqueues: campaign.KindCampaign, or the kind of its task.
func (s Spec) Kind() tasks.Kind {
	if s.Task == nil {
		return campaign.KindCampaign
	}
	return s.Task.Kind()
}

// scheduleID is tasks.CheckID's with room for a tick behind it.
var scheduleID = regexp.MustCompile(`^[A-Za-z0-9._:@+=-]{1,100}$`)

// CheckID says whether a schedule's ID can be used: 1 to 100 of the letters A-Z a-z, digits and . _ : @ + = -
func CheckID(id string) error {
	if !scheduleID.MatchString(id) {
		return fmt.Errorf("id %.110q: use 1 to 100 letters, digits, '.', '_', ':', '@', '+', '=' or '-'", id)
	}
	return nil
}

// Check says what is wrong with a spec: all but the contents of a campaign's messages.
func (s Spec) Check() error {
	if err := cmp.Or(CheckID(s.ID), tasks.CheckChannel(s.Channel)); err != nil {
		return err
	}
	if _, err := s.Calendar(time.Time{}); err != nil {
		return err
	}
	switch {
	case s.Missed != "" && s.Missed != RunOnce && s.Missed != Skip:
		return fmt.Errorf("what is missed can be %s or %s, not %.20q", RunOnce, Skip, s.Missed)
	case s.Within < 0 || s.Within > MaxWithin:
		return fmt.Errorf("a missed tick can run within %s at most", MaxWithin)
	case s.Within > 0 && s.Missed == Skip:
		return errors.New("what is skipped when it is missed has no time to run within")
	case s.Expire < 0:
		return errors.New("the time after which a send expires is less than 0")
	case (s.Task == nil) == (s.Campaign == nil):
		return errors.New("a schedule has either a task or a campaign")
	case s.Campaign != nil:
		if s.Urgent || s.Expire > 0 {
			return errors.New("a campaign is never urgent, and doesn't expire")
		}
		return s.Campaign.check()
	case s.Task.Kind() == tasks.KindReply:
		return errors.New("a reply can't be scheduled: its token works once, for a minute")
	}
	return s.Task.Check()
}

const maxAudience = 4096

func (c *Campaign) check() error {
	switch {
	case len(c.Templates) == 0:
		return errors.New("there is no message")
	case (strings.TrimSpace(c.Audience) == "") == (strings.TrimSpace(c.Command) == ""):
		return errors.New("a campaign has either the file of an audience or a command for it")
	case len(c.Audience)+len(c.Command) > maxAudience:
		return fmt.Errorf("the audience's path or command has more than %d bytes", maxAudience)
	case c.Audience != "" && !filepath.IsAbs(c.Audience):
		return errors.New("the audience's path must be absolute: workers read it, wherever they run")
	}
	return c.Window.Check()
}

// Calendar is when the schedule's ticks are. created is when it was made.
func (s Spec) Calendar(created time.Time) (Calendar, error) {
	return ParseCalendar(s.Cron, s.Zone, created)
}

// patience is for how long after its time a tick may still be done.
func (s Spec) patience() time.Duration {
	if s.Missed == Skip {
		return longestGrace
	}
	return cmp.Or(s.Within, DefaultWithin)
}

// specVersion rises when an older worker would misunderstand a spec.
const specVersion = 1

// specJSON is how a spec stands in Redis, without what its key tells.
type specJSON struct {
	Version  int             `json:"v"`
	Channel  string          `json:"channel"`
	Cron     string          `json:"cron"`
	Zone     string          `json:"tz,omitempty"`
	Missed   Missed          `json:"missed,omitempty"`
	Within   int64           `json:"within,omitempty"` // seconds
	Kind     tasks.Kind      `json:"kind,omitempty"`
	Task     json.RawMessage `json:"task,omitempty"`
	Urgent   bool            `json:"urgent,omitempty"`
	Expire   int64           `json:"expire,omitempty"` // seconds
	Campaign *Campaign       `json:"campaign,omitempty"`
}

// Encode checks a spec and returns its JSON. A message's bytes stay as they are.
func (s Spec) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	j := specJSON{
		Version: specVersion, Channel: s.Channel, Cron: s.Cron, Zone: s.Zone, Missed: cmp.Or(s.Missed, RunOnce),
		Within: int64(s.Within / time.Second), Urgent: s.Urgent, Expire: int64(s.Expire / time.Second), Campaign: s.Campaign,
	}
	if s.Task != nil {
		var err error
		j.Kind = s.Task.Kind()
		if j.Task, err = tasks.EncodeTask(s.Task); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(j); err != nil {
		return nil, fmt.Errorf("encode schedule: %w", err)
	}
	if b.Len() > tasks.MaxPayload {
		return nil, fmt.Errorf("encode schedule: %d bytes, at most %d can be kept", b.Len(), tasks.MaxPayload)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads a spec. What a newer version wrote is refused with tasks.ErrNewerVersion or tasks.ErrUnknownKind. Its errors
// hold nothing of a message.
func Decode(id string, b []byte) (Spec, error) {
	var version struct {
		Version int `json:"v"`
	}
	if json.Unmarshal(b, &version) != nil {
		return Spec{}, errors.New("decode schedule: malformed JSON")
	}
	if version.Version > specVersion {
		return Spec{}, fmt.Errorf("decode schedule: %w", tasks.ErrNewerVersion)
	}
	var j specJSON
	if json.Unmarshal(b, &j) != nil || version.Version < 1 {
		return Spec{}, errors.New("decode schedule: malformed JSON")
	}
	const longest = int64(1<<63-1) / int64(time.Second)
	if j.Within > longest || j.Expire > longest || j.Within < 0 || j.Expire < 0 {
		return Spec{}, errors.New("decode schedule: a time out of range")
	}
	s := Spec{
		ID: id, Channel: j.Channel, Cron: j.Cron, Zone: j.Zone, Missed: j.Missed,
		Within: time.Duration(j.Within) * time.Second, Urgent: j.Urgent, Expire: time.Duration(j.Expire) * time.Second,
		Campaign: j.Campaign,
	}
	if j.Kind != "" {
		var err error
		if s.Task, err = tasks.DecodeTask(j.Kind, j.Task); err != nil {
			return Spec{}, fmt.Errorf("decode schedule: %w", err)
		}
	}
	if err := s.Check(); err != nil {
		return Spec{}, fmt.Errorf("decode schedule: %w", err)
	}
	return s, nil
}

// fingerprint is what a repeat of the same spec is recognised by.
func fingerprint(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return string(sum[:16])
}
