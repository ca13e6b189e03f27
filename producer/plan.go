package producer

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/campaign/template"
)

// plan is a campaign's, with its templates ready to use.
type plan struct {
	campaign.Plan
	templates []*template.Template
	bound     []*template.Bound
	safe      []int // how long values may be of which no check is needed
	byName    map[string]int
	required  map[string]bool // columns that aren't all optional
}

var errMaxFailures = errors.New("the share of failures is not between 0 and 1")

func isShare(v float64) bool { return v >= 0 && v <= 1 }

// plan checks everything but the recipients.
func (cp *Campaign) plan() (*plan, error) {
	templates := cp.Templates
	switch {
	case cp.Messages != nil && templates != nil:
		return nil, errors.New("there are both Messages and Templates")
	case cp.Messages != nil:
		templates = []campaign.Template{{Messages: cp.Messages}}
	case len(templates) == 0:
		return nil, errors.New("there is no message")
	case len(templates) > chunk.MaxTemplates:
		return nil, fmt.Errorf("there are %d templates, and %d is the most", len(templates), chunk.MaxTemplates)
	}
	if err := cp.checkSettings(); err != nil {
		return nil, err
	}
	p := &plan{
		Plan: campaign.Plan{
			Mode: campaign.Multicast, Templates: templates, NotificationDisabled: cp.NotificationDisabled,
			CustomAggregationUnits: cp.CustomAggregationUnits, At: cp.At, Rate: cp.Rate, Window: cp.Window,
			MaxFailures: cp.MaxFailures, Partial: cp.Partial, DryRun: cp.DryRun, Webhook: cp.Webhook,
		},
		byName: map[string]int{}, required: map[string]bool{},
	}
	for i, t := range templates {
		if _, twice := p.byName[t.Name]; twice {
			return nil, fmt.Errorf("there are two templates %q", t.Name)
		}
		p.byName[t.Name] = i
		if err := p.add(t); err != nil {
			return nil, p.named(i, err)
		}
	}
	if len(p.Columns) > chunk.MaxColumns {
		return nil, fmt.Errorf("there are %d placeholders, and %d is the most", len(p.Columns), chunk.MaxColumns)
	}
	if len(p.Columns) > 0 {
		p.Mode = campaign.Push
	}
	for _, t := range p.templates {
		b, err := t.Bind(p.Columns)
		if err != nil {
			return nil, err
		}
		p.bound, p.safe = append(p.bound, b), append(p.safe, b.Safe())
	}
	return p, nil
}

// named adds a template's name to what is wrong with it.
func (p *plan) named(which int, err error) error {
	if name := p.Templates[which].Name; name != "" {
		return fmt.Errorf("template %q: %w", name, err)
	}
	return err
}

func (cp *Campaign) checkSettings() error {
	switch {
	case !(cp.Rate >= 0 && cp.Rate <= math.MaxFloat64): // or not a number
		return errors.New("the rate is less than 0, or no number")
	case !isShare(cp.MaxFailures):
		return errMaxFailures
	}
	if cp.Webhook != "" {
		// The URL isn't repeated: it may hold a secret.
		if u, err := url.Parse(cp.Webhook); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return errors.New("the webhook is no http or https URL")
		}
	}
	if err := cp.Window.Check(); err != nil {
		return err
	}
	units := lineapi.PushRequest{
		To: anyone, Messages: []lineapi.Message{lineapi.Text("x")}, CustomAggregationUnits: cp.CustomAggregationUnits,
	}
	return units.Check()
}

// anyone stands where an id must and none is known.
const anyone = "U00000000000000000000000000000000"

// add parses one template, and notes its columns.
func (p *plan) add(t campaign.Template) error {
	parsed, err := template.Parse(t.Messages)
	if err != nil {
		return err
	}
	p.templates = append(p.templates, parsed)
	placeholders := parsed.Placeholders()
	if len(placeholders) == 0 {
		b, err := parsed.Bind(nil)
		if err != nil {
			return err
		}
		return b.Check(nil)
	}
	for _, placeholder := range placeholders {
		if !slices.Contains(p.Columns, placeholder.Name) {
			p.Columns = append(p.Columns, placeholder.Name)
		}
		if !placeholder.Default {
			p.required[placeholder.Name] = true
		}
	}
	return nil
}

// size is how many recipients a chunk has. At a rate of the campaign's own a multicast reaches no more than are due in
// five seconds, so that it isn't sent in bursts.
func (p *plan) size() int {
	if p.Rate == 0 || p.Mode == campaign.Push {
		return chunk.Max
	}
	return int(min(chunk.Max, max(1, p.Rate*5)))
}

// templateOf finds the template that a recipient names, or says why there is none.
func (p *plan) templateOf(name string) (i int, problem string) {
	if i, found := p.byName[name]; found {
		return i, ""
	}
	switch {
	case name != "":
		return 0, "names a template that the campaign doesn't have"
	case len(p.templates) == 1:
		return 0, ""
	}
	return 0, "names none of the templates"
}

// maxValues is the most bytes of one recipient's values, which is more than the messages of a request can hold.
const maxValues = chunk.MaxText / 4

// fill sets the values of one recipient, column by column, and returns how many bytes they are, or says why they can't be
// sent.
func (p *plan) fill(values []string, which int, vars map[string]string) (text int, problem string) {
	longest := 0
	for i, name := range p.Columns {
		v := vars[name]
		if !utf8.ValidString(v) {
			return 0, fmt.Sprintf("has a value for {{%s}} that isn't UTF-8", name)
		}
		values[i] = v
		text += len(v)
		longest = max(longest, len(v))
	}
	if text > maxValues {
		return 0, fmt.Sprintf("has %d bytes of values, and %d is the most", text, maxValues)
	}
	b := p.bound[which]
	if name := b.Missing(values); name != "" {
		return 0, fmt.Sprintf("has no value for {{%s}}, which has no default", name)
	}
	if longest > p.safe[which] {
		if err := b.Check(values); err != nil {
			return 0, "makes a message that LINE would refuse: " + reasonOf(err)
		}
	}
	return text, ""
}

// reasonOf is what the *lineapi.Error of a check says, without what all of them begin with.
func reasonOf(err error) string {
	var refused *lineapi.Error
	switch {
	case !errors.As(err, &refused):
		return err.Error()
	case len(refused.Details) == 0:
		return refused.Message
	}
	return refused.Details[0].Property + ": " + refused.Details[0].Message
}
