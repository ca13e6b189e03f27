package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/template"
)

const (
	// maxRecipients is how many a multicast can have that becomes a campaign.
	maxRecipients = 1_000_000
	// intakeTime is how long Redis may take for them, and the answer to leave.
	intakeTime = 2 * time.Minute
)

// idLength is that of a user id.
const idLength = 33

// manyRecipients is a multicast to more users than LINE takes at once, whose ids stand one behind the other.
type manyRecipients struct {
	tasks.Multicast
	ids []byte
}

func (m manyRecipients) len() int { return len(m.ids) / idLength }

// takesMany tells whether the request may be longer than LINE's.
func (c *call) takesMany() bool { return c.target.Operation == "multicast" }

// isLong tells whether readBody left a part of the body for manyOf.
func (c *call) isLong() bool { return len(c.body) > lineapi.MaxRequestBytes }

// manyOf reads a multicast as it streams in. Of its recipients it keeps 33 bytes for each; of all else it takes no more
// than LINE does.
func (c *call) manyOf() (tasks.Task, answer, bool) {
	if !c.pressure.enterLong() {
		c.metrics.turnedAway.Inc()
		return nil, c.pressure.refusal(), false
	}
	c.long = true
	in := &rolling{c: c, left: maxRecipients * 64}
	var body io.Reader = bytes.NewReader(c.body)
	if c.isLong() {
		body = io.MultiReader(body, in)
	}
	d := json.NewDecoder(body)
	var m manyRecipients
	rest, refusal, ok := m.read(d)
	switch {
	case in.over:
		return nil, refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)), false
	case in.err != nil:
		return nil, refuse(http.StatusBadRequest, textUnread), false
	case !ok:
		return nil, refusal, false
	}
	c.body = rest
	s, refusal, ok := c.readSending("customAggregationUnits")
	m.Messages, m.NotificationDisabled, m.CustomAggregationUnits = s.messages, s.silent, s.units
	if !ok {
		return nil, refusal, false
	}
	m.To = []string{"U00000000000000000000000000000000"} // the check of the others takes one for all
	if err := m.Check(); err != nil {
		var wrong *lineapi.Error
		errors.As(err, &wrong)
		return nil, refuseTask(wrong), false
	}
	return m, answer{}, true
}

// read takes the recipients out of a body and returns the rest of it.
func (m *manyRecipients) read(d *json.Decoder) (rest []byte, refusal answer, ok bool) {
	unread := func(err error) answer {
		line, column := "1", strconv.FormatInt(d.InputOffset()+1, 10)
		return refuse(http.StatusBadRequest,
			"The request body could not be parsed as JSON (line: "+line+", column: "+column+")")
	}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, unread(err), false
	}
	rest = []byte{'{'}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, unread(err), false
		}
		if name == "to" {
			if refusal, ok := m.readIDs(d, unread); !ok {
				return nil, refusal, false
			}
			continue
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, unread(err), false
		}
		if len(rest)+len(value) > lineapi.MaxRequestBytes {
			return nil, refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)), false
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		key, _ := json.Marshal(name)
		rest = append(append(append(rest, key...), ':'), value...)
	}
	if _, err := d.Token(); err != nil {
		return nil, unread(err), false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, unread(err), false
	}
	return append(rest, '}'), answer{}, true
}

func (m *manyRecipients) readIDs(d *json.Decoder, unread func(error) answer) (answer, bool) {
	m.ids = m.ids[:0]
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		if err != nil {
			return unread(err), false
		}
		return refuseProperty("'to'", "-", "-"), false
	}
	for i := 0; d.More(); i++ {
		t, err := d.Token()
		if err != nil {
			return unread(err), false
		}
		id, _ := t.(string)
		switch {
		case lineapi.CheckUserID(id) != nil:
			return refuseProperty("to["+strconv.Itoa(i)+"]", "-", "-"), false
		case i == maxRecipients:
			return refuseBody([]detail{{"Size must be between 1 and " + strconv.Itoa(maxRecipients), "to"}}), false
		case len(m.ids) == cap(m.ids):
			m.ids = slices.Grow(m.ids, max(len(m.ids)/2, 1000*idLength))
		}
		m.ids = append(m.ids, id...)
	}
	if _, err := d.Token(); err != nil {
		return unread(err), false
	}
	return answer{}, true
}

// rolling is the rest of a body, of which every part has its own time to come. The answer has its own time after that.
type rolling struct {
	c    *call
	left int64
	over bool // the body is longer than it may be
	err  error
}

func (r *rolling) Read(b []byte) (int, error) {
	control, now := http.NewResponseController(r.c.w), time.Now()
	_ = control.SetReadDeadline(now.Add(bodyTime))
	_ = control.SetWriteDeadline(now.Add(bodyTime + intakeTime))
	n, err := r.c.r.Body.Read(b)
	if r.left -= int64(n); r.left < 0 {
		r.over, err = true, errors.New(http.StatusText(http.StatusRequestEntityTooLarge))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// noCampaign refuses an ID that has made a campaign of the channel.
func (c *call) noCampaign(ctx context.Context, o options) (answer, bool) {
	switch sum, err := c.q.CampaignSummary(ctx, o.id); {
	case err == nil && sum.Channel == c.channel.name:
		return o.reused(), false
	case err != nil && !errors.Is(err, campaign.ErrNotFound):
		return c.away(err), false
	}
	return answer{}, true
}

// campaign has a multicast to many sent as one. A retry key can't go to LINE, where it is many requests; it makes up the
// campaign's ID.
func (c *call) campaign(m manyRecipients, o options) answer {
	ctx := c.r.Context()
	if o.urgent {
		return refuse(http.StatusBadRequest, "X-Lineq-Urgent is not for a multicast to more than 500")
	}
	if o.own {
		switch _, err := c.q.Result(ctx, o.id, producer.Channel(c.channel.name)); {
		case err == nil:
			return o.reused()
		case !errors.Is(err, producer.ErrNotFound):
			return c.away(err)
		}
	}
	messages, ok := literal(m.Messages)
	if !ok {
		return refuse(http.StatusBadRequest, "A multicast to more than 500 can't have these double braces in its messages")
	}
	report, err := c.q.Campaign(ctx, producer.Campaign{
		ID: o.id, To: m.recipients(), Messages: messages, NotificationDisabled: m.NotificationDisabled,
		CustomAggregationUnits: m.CustomAggregationUnits, At: o.at, Strict: true,
	}, producer.Channel(c.channel.name))
	var wrong *lineapi.Error
	switch {
	case errors.Is(err, campaign.ErrIDReused), err == nil && int(report.Recipients+report.Duplicates) != m.len():
		return o.reused()
	case errors.Is(err, campaign.ErrIntake):
		a := unavailable()
		a.retryAfter = 5 * time.Second
		return a
	case errors.As(err, &wrong):
		return refuseTask(wrong)
	case err != nil:
		return c.away(err)
	}
	a := answer{status: c.target.OK, body: []byte("{}"), requestID: o.id, campaign: o.id}
	if report.Duplicate && o.retryKey != "" {
		a = refuse(http.StatusConflict, textAccepted)
		a.acceptedID, a.campaign = o.id, o.id
	}
	return a
}

func (m manyRecipients) recipients() iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for id := range slices.Chunk(m.ids, idLength) {
			if !yield(producer.Recipient{To: string(id)}, nil) {
				return
			}
		}
	}
}

// literal writes messages so that the campaign's templates read them as they are. It fails where that can't be written.
func literal(messages []lineapi.Message) ([]lineapi.Message, bool) {
	plain, err := json.Marshal(messages)
	if err != nil || !bytes.Contains(plain, []byte("{{")) {
		return messages, err == nil
	}
	escaped := make([]lineapi.Message, len(messages))
	for i, m := range messages {
		raw, _ := m.MarshalJSON()
		if escaped[i].UnmarshalJSON(escapeBraces(raw)) != nil {
			return nil, false
		}
	}
	t, err := template.Parse(escaped)
	if err != nil || len(t.Placeholders()) > 0 {
		return nil, false
	}
	bound, err := t.Bind(nil)
	if err != nil {
		return nil, false
	}
	return escaped, bytes.Equal(compact(bound.Append(nil, nil)), compact(plain))
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// escapeBraces doubles the double braces within the strings of JSON, keys apart.
func escapeBraces(raw []byte) []byte {
	var out []byte
	for len(raw) > 0 {
		if raw[0] != '"' {
			out, raw = append(out, raw[0]), raw[1:]
			continue
		}
		end := 1
		for raw[end] != '"' {
			if raw[end] == '\\' {
				end++
			}
			end++
		}
		text := raw[:end+1]
		raw = raw[end+1:]
		if rest := bytes.TrimLeft(raw, " \t\r\n"); len(rest) == 0 || rest[0] != ':' {
			if open := bytes.Index(text, []byte("{{")); open >= 0 {
				after := bytes.ReplaceAll(text[open:], []byte("{{"), []byte("{{{{"))
				text = append(text[:open:open], bytes.ReplaceAll(after, []byte("}}"), []byte("}}}}"))...)
			}
		}
		out = append(out, text...)
	}
	return out
}
