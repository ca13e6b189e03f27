package linesim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sent is what was accepted, small enough to keep for a million requests.
type sent struct {
	request uint64
	first   uint64 // number of the first message
	count   uint8
	quote   uint8 // bit i: message i can be quoted
}

// sending is the body of a request that sends, its recipients apart.
type sending struct {
	messages batchOfMessages
	to       field
	token    string // reply
	unit     string // aggregation
	extra    map[string]field
}

// Properties that a sending request may have beside messages and notificationDisabled
// (https://github.com/line/line-openapi/blob/main/messaging-api.yml).
var properties = map[string][]string{
	"replyMessage": {"replyToken"},
	"pushMessage":  {"to", "customAggregationUnits"},
	"multicast":    {"to", "customAggregationUnits"},
	"narrowcast":   {"recipient", "filter", "limit"},
	"broadcast":    nil,
}

var aggregationUnit = regexp.MustCompile(`^[a-zA-Z0-9_]{1,30}$`)

// readSending checks everything in the body but its recipients.
func (c *call) readSending() (sending, answer, bool) {
	all, refusal, ok := fields(c.body)
	if !ok {
		return sending{}, refusal, false
	}
	s := sending{extra: map[string]field{}}
	messages := field{name: "messages", value: []byte("null")}
	for _, f := range all {
		switch {
		case f.name == "messages":
			messages = f
		case f.name == "notificationDisabled":
			if !f.boolean() {
				return s, f.invalid(c.body), false
			}
		case !slices.Contains(properties[c.route.Operation], f.name):
			return s, f.invalid(c.body), false
		case f.null():
		case f.name == "to":
			s.to = f
		case f.name == "replyToken":
			if s.token, ok = f.text(); !ok {
				return s, f.invalid(c.body), false
			}
		case f.name == "customAggregationUnits":
			if s.unit, refusal, ok = readUnit(f); !ok {
				return s, refusal, false
			}
		default:
			s.extra[f.name] = f
		}
	}
	if !messages.null() && !messages.array() {
		return s, messages.invalid(c.body), false
	}
	if s.messages, refusal, ok = c.sim.checked.check(messages.value); !ok {
		return s, refusal, false
	}
	return s, answer{}, true
}

func readUnit(f field) (string, answer, bool) {
	c := &checker{}
	var unit string
	for _, name := range c.decode(f.name, f.value).list(0, 1) {
		unit = name.text(30, utf16Units)
		name.pattern(aggregationUnit)
	}
	refusal, refused := c.refusal()
	return unit, refusal, !refused
}

// enter records an accepted request that reached the given recipients.
func (c *call) enter(m batchOfMessages, recipients []recipientID) sent {
	s := sent{request: c.number, count: m.count, quote: m.quote}
	s.first = c.sim.messages.Add(uint64(m.count)) - uint64(m.count) + 1
	c.sim.record(entry{
		sent: s, at: c.now.UnixNano(), key: c.key, keyed: c.keyed,
		channel: c.channel.number, operation: uint16(c.route.index),
	}, m.raw, m.sum, c.sim.directory.numbers(recipients))
	return s
}

func (s *Simulator) appendSentMessages(b []byte, sent sent) []byte {
	b = append(b, `"sentMessages":[`...)
	for i := range uint64(sent.count) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"id":"`...), messageID(sent.first+i)...), '"')
		if sent.quote>>i&1 == 1 {
			b = append(append(append(b, `,"quoteToken":"`...), s.quoteToken(sent.first+i)...), '"')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func (c *call) sentMessages(s sent) answer {
	return answer{status: http.StatusOK, body: append(c.sim.appendSentMessages([]byte{'{'}, s), '}')}
}

var invalidTo = invalidProperty("'to'", "-", "-")

func (c *call) push() answer {
	body, refusal, ok := c.readSending()
	if !ok {
		return refusal
	}
	to, ok := "", false
	if body.to.value != nil {
		to, ok = body.to.text()
	}
	id, wellFormed := parseRecipient(to)
	if !ok || !wellFormed {
		return invalidTo
	}
	return c.once(func() (sent, answer, bool) {
		state := c.sim.directory.stateOf(id)
		if state == unknown || state == left || to == c.channel.userID {
			return sent{}, refuse(http.StatusBadRequest, textFailed), false
		}
		cost := c.sim.directory.cost(id)
		c.sim.settle(c.now)
		if !c.channel.spend(c.now, c.route.Operation, cost) {
			return sent{}, refuse(http.StatusTooManyRequests, textQuota), false
		}
		c.channel.use(c.now, body.unit)
		var reached []recipientID
		if state == friend {
			reached = []recipientID{id}
		}
		s := c.enter(body.messages, reached)
		return s, c.sentMessages(s), true
	})
}

// maxMulticast is the number of recipients of one multicast, and of one bulk operation on rich menus.
const maxMulticast = 500

func (c *call) multicast() answer {
	body, refusal, ok := c.readSending()
	if !ok {
		return refusal
	}
	ids, refusal, ok := readUserIDs(body.to, "to", "to[%]")
	if !ok {
		return refusal
	}
	distinct := unique(ids)
	if n := len(ids) - len(distinct); n > 0 {
		c.sim.stats.repeatedRecipients.Add(int64(n))
	}
	return c.once(func() (sent, answer, bool) {
		reached := make([]recipientID, 0, len(distinct))
		d := c.sim.directory
		d.mu.RLock()
		for i, id := range ids {
			if c.sim.config.RefuseUnknown && d.state(id) == unknown {
				d.mu.RUnlock()
				return sent{}, invalidProperty("to["+strconv.Itoa(i)+"]", "-", "-"), false
			}
		}
		for _, id := range distinct {
			if d.state(id) == friend {
				reached = append(reached, id)
			}
		}
		d.mu.RUnlock()
		c.sim.settle(c.now)
		if !c.channel.spend(c.now, c.route.Operation, int64(len(reached))) {
			return sent{}, refuse(http.StatusTooManyRequests, textQuota), false
		}
		c.channel.use(c.now, body.unit)
		return c.enter(body.messages, reached), ok200, true
	})
}

// readUserIDs reads a list of 1 to 500 user IDs. culprit is how LINE names one of them, with % for its index.
func readUserIDs(f field, property, culprit string) ([]recipientID, answer, bool) {
	if f.value == nil || !f.array() {
		return nil, invalidProperty("'"+property+"'", "-", "-"), false
	}
	list := elements(f.value)
	if len(list) < 1 || len(list) > maxMulticast {
		return nil, refuseProperty(property, "Size must be between 1 and "+strconv.Itoa(maxMulticast)), false
	}
	ids := make([]recipientID, len(list))
	for i, raw := range list {
		id, ok := recipientID{}, false
		if len(raw) == 35 && raw[0] == '"' {
			id, ok = parseRecipient(string(raw[1:34]))
		}
		if !ok || id[0] != 'U' {
			return nil, invalidProperty(strings.Replace(culprit, "%", strconv.Itoa(i), 1), "-", "-"), false
		}
		ids[i] = id
	}
	return ids, answer{}, true
}

// unique drops repetitions and keeps the order.
func unique(ids []recipientID) []recipientID {
	seen := make(map[recipientID]struct{}, len(ids))
	distinct := make([]recipientID, 0, len(ids))
	for _, id := range ids {
		if _, ok := seen[id]; !ok {
			seen[id] = struct{}{}
			distinct = append(distinct, id)
		}
	}
	return distinct
}

func (c *call) broadcast() answer {
	body, refusal, ok := c.readSending()
	if !ok {
		return refusal
	}
	return c.once(func() (sent, answer, bool) {
		friends, _ := c.sim.directory.friends(0, -1)
		c.sim.settle(c.now)
		if !c.channel.spend(c.now, c.route.Operation, int64(len(friends))) {
			return sent{}, refuse(http.StatusTooManyRequests, textQuota), false
		}
		return c.enter(body.messages, friends), ok200, true
	})
}

func (c *call) reply() answer {
	body, refusal, ok := c.readSending()
	if !ok {
		return refusal
	}
	if body.token == "" {
		return refuseProperty("replyToken", textEmpty)
	}
	to, ok := c.channel.replies.redeem(body.token, c.now)
	if !ok {
		return refuse(http.StatusBadRequest, "Invalid reply token")
	}
	c.channel.replied(c.now, 1)
	return c.sentMessages(c.enter(body.messages, []recipientID{to}))
}

// validate serves the five dry runs, which look at messages only.
func (c *call) validate() answer {
	all, refusal, ok := fields(c.body)
	if !ok {
		return refusal
	}
	messages := field{name: "messages", value: []byte("null")}
	for _, f := range all {
		if f.name != "messages" || !f.null() && !f.array() {
			return f.invalid(c.body)
		}
		messages = f
	}
	if _, refusal, ok = c.sim.checked.check(messages.value); !ok {
		return refusal
	}
	return ok200
}
