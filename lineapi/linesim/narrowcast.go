package linesim

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	narrowcastWaiting = time.Second
	narrowcastSending = time.Second

	// progressLife is how long progress can be read, of narrowcasts and rich menu batches
	// (https://developers.line.biz/en/reference/messaging-api/#get-narrowcast-progress-status).
	progressLife = 14 * 24 * time.Hour

	// Floors of https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message-restrictions. Audiences of
	// uploaded IDs, the only ones here, are exempt from the second.
	minFiltered   = 100
	minNarrowcast = 50
)

// Progress error codes of https://developers.line.biz/en/reference/messaging-api/#get-narrowcast-progress-status.
const (
	tooFewRecipients  = 2
	partialNotAllowed = 5
)

// narrowcasts holds the jobs of all channels.
type narrowcasts struct {
	due  atomic.Int64 // Unix nanoseconds at which the next job ends; 0: none is on its way
	mu   sync.Mutex
	jobs map[string]*narrowcastJob // by request id
	open []*narrowcastJob
}

type narrowcastJob struct {
	call     *call // without its request: identity, channel and endpoint
	messages batchOfMessages
	reached  []recipientID
	accepted time.Time
	failure  int // error code
}

func (j *narrowcastJob) ends() time.Time {
	return j.accepted.Add(narrowcastWaiting + narrowcastSending)
}

// settle lets narrowcasts arrive whose time has come.
func (s *Simulator) settle(now time.Time) {
	n := &s.narrowcast
	if due := n.due.Load(); due == 0 || now.UnixNano() < due {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var due int64
	open := n.open[:0]
	for _, j := range n.open {
		if now.Before(j.ends()) {
			open = append(open, j)
			if at := j.ends().UnixNano(); due == 0 || at < due {
				due = at
			}
			continue
		}
		j.arrive()
	}
	clear(n.open[len(open):])
	n.open = open
	n.due.Store(due)
}

// arrive turns the reservation into consumption and enters the ledger, at the time at which the job ended.
func (j *narrowcastJob) arrive() {
	c := j.call.channel
	cost := int64(len(j.reached))
	c.mu.Lock()
	c.turn(j.ends())
	c.reserved -= cost
	c.used += cost
	c.mu.Unlock()
	j.call.now = j.ends()
	j.call.enter(j.messages, j.reached)
	j.messages.raw = nil // the job stays readable, its body needn't
}

func (c *call) narrow() answer {
	body, refusal, ok := c.readSending()
	if !ok {
		return refusal
	}
	check := &checker{}
	recipient := check.decodeField(body.extra["recipient"], "recipient")
	filter := check.decodeField(body.extra["filter"], "filter")
	limit := check.decodeField(body.extra["limit"], "limit")
	demographic := filter.get("demographic")
	checkDemographic(demographic)
	upTo := limit.get("upToRemainingQuota").boolean()
	forbidPartial := limit.get("forbidPartialDelivery").boolean()
	most := limit.get("max")
	if most.present() {
		most.between(1, 1<<31-1)
	}
	recipient.object()
	filter.object()
	limit.object()
	if refusal, refused := check.refusal(); refused {
		return refusal
	}
	if forbidPartial && !upTo {
		return refuse(http.StatusBadRequest,
			"The option forbidPartialDelivery must be used with upToRemainingQuota.")
	}
	return c.once(func() (sent, answer, bool) {
		c.sim.settle(c.now)
		friends, _ := c.sim.directory.friends(0, -1)
		if demographic.present() && len(friends) < minFiltered {
			return sent{}, refuse(http.StatusForbidden, "Your account does not have enough friends"), false
		}
		reached, refusal, ok := c.target(recipient, friends)
		if !ok {
			return sent{}, refusal, false
		}
		if n, ok := most.integer(); ok {
			reached = c.sample(reached, int(n))
		}
		job := &narrowcastJob{messages: body.messages, accepted: c.now}
		if len(reached) < minNarrowcast && recipient.get("type").string() != "audience" {
			job.failure, reached = tooFewRecipients, nil
		}
		if !c.reserve(job, reached, upTo, forbidPartial) {
			return sent{}, refuse(http.StatusTooManyRequests, textQuota), false
		}
		job.call = &call{sim: c.sim, number: c.number, route: c.route, channel: c.channel, key: c.key, keyed: c.keyed}
		c.sim.narrowcast.start(c.requestID(), job)
		return sent{request: c.number}, ok202, true
	})
}

// reserve sets the quota for a job aside and says whether the job may run. LINE reserves the whole reach meanwhile
// (https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message-cautions).
func (c *call) reserve(job *narrowcastJob, reached []recipientID, upTo, forbidPartial bool) bool {
	c.channel.mu.Lock()
	defer c.channel.mu.Unlock()
	c.channel.turn(c.now)
	if remaining := c.channel.remaining(); int64(len(reached)) > remaining {
		switch {
		case !upTo || remaining == 0:
			return false
		case forbidPartial:
			job.failure, reached = partialNotAllowed, nil
		default:
			reached = c.sample(reached, int(remaining))
		}
	}
	c.channel.reserved += int64(len(reached))
	job.reached = reached
	return true
}

func (c *checker) decodeField(f field, name string) value {
	if f.value == nil {
		return value{c: c, path: name}
	}
	return c.decode(name, f.value)
}

func (n *narrowcasts) start(requestID string, j *narrowcastJob) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.jobs == nil {
		n.jobs = map[string]*narrowcastJob{}
	}
	n.jobs[requestID] = j
	if j.failure != 0 {
		return
	}
	n.open = append(n.open, j)
	if at, due := j.ends().UnixNano(), n.due.Load(); due == 0 || at < due {
		n.due.Store(at)
	}
}

// target finds the users that a recipient object means.
func (c *call) target(recipient value, friends []recipientID) ([]recipientID, answer, bool) {
	if !recipient.present() {
		return friends, answer{}, true
	}
	check := recipient.c
	switch recipient.get("type").oneOf("operator", "audience", "redelivery") {
	case "audience":
		id, _ := recipient.get("audienceGroupId").integer()
		c.channel.mu.Lock()
		audience, ok := c.channel.audiences[id]
		c.channel.mu.Unlock()
		if !ok {
			text := "Invalid audience group id: " + strconv.FormatInt(id, 10)
			return nil, refuse(http.StatusBadRequest, text), false
		}
		var members []recipientID
		for _, user := range audience {
			if member, _ := parseRecipient(user); c.sim.directory.stateOf(member) == friend {
				members = append(members, member)
			}
		}
		return unique(members), answer{}, true
	case "redelivery":
		id := recipient.get("requestId").string()
		n := &c.sim.narrowcast
		n.mu.Lock()
		job := n.jobs[id]
		n.mu.Unlock()
		if job == nil || job.call.channel != c.channel {
			return nil, refuse(http.StatusBadRequest, "Invalid request id: "+id), false
		}
		return job.reached, answer{}, true
	case "operator":
		return c.operate(recipient, friends)
	}
	refusal, _ := check.refusal()
	return nil, refusal, false
}

// operate combines recipient objects. Exactly one of and, or, not must be there.
func (c *call) operate(operator value, friends []recipientID) ([]recipientID, answer, bool) {
	var lists []value
	names := 0
	for _, name := range [...]string{"and", "or", "not"} {
		part := operator.get(name)
		if !part.present() {
			continue
		}
		names++
		if name == "not" {
			lists = []value{part}
		} else {
			lists = part.list(1, 10)
		}
	}
	if names != 1 {
		operator.fail("Exactly one of and, or, not must be specified")
	}
	if refusal, refused := operator.c.refusal(); refused {
		return nil, refusal, false
	}
	in := map[recipientID]int{}
	for _, part := range lists {
		users, refusal, ok := c.target(part, friends)
		if !ok {
			return nil, refusal, false
		}
		for _, id := range users {
			in[id]++
		}
	}
	var chosen []recipientID
	for _, id := range friends {
		n := in[id]
		if operator.get("and").present() && n == len(lists) ||
			operator.get("or").present() && n > 0 ||
			operator.get("not").present() && n == 0 {
			chosen = append(chosen, id)
		}
	}
	return chosen, answer{}, true
}

// sample chooses at most n at random, as LINE does for limited narrowcasts.
func (c *call) sample(ids []recipientID, n int) []recipientID {
	if len(ids) <= n {
		return ids
	}
	ids = slices.Clone(ids)
	r := rand.New(rand.NewPCG(c.sim.config.Seed, c.number))
	r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:n]
	slices.SortFunc(ids, func(a, b recipientID) int { return cmp.Compare(string(a[:]), string(b[:])) })
	return ids
}

func checkDemographic(filter value) {
	if !filter.object() {
		return
	}
	kind := filter.get("type").oneOf("operator", "gender", "age", "appType", "area", "subscriptionPeriod")
	switch kind {
	case "operator":
		for _, name := range [...]string{"and", "or"} {
			if part := filter.get(name); part.present() {
				for _, inner := range part.list(1, 10) {
					checkDemographic(inner)
				}
			}
		}
		checkDemographic(filter.get("not"))
	case "gender", "appType", "area":
		filter.get("oneOf").list(1, 100)
	}
}

const timestamp = "2006-01-02T15:04:05.000Z07:00"

func (c *call) narrowcastProgress() answer {
	c.sim.settle(c.now)
	n := &c.sim.narrowcast
	n.mu.Lock()
	job := n.jobs[c.r.URL.Query().Get("requestId")]
	n.mu.Unlock()
	if job == nil || job.call.channel != c.channel || !c.now.Before(job.accepted.Add(progressLife)) {
		return refuse(http.StatusNotFound, textNotFound)
	}
	progress := struct {
		Phase         string `json:"phase"`
		SuccessCount  *int   `json:"successCount,omitempty"`
		FailureCount  *int   `json:"failureCount,omitempty"`
		TargetCount   *int   `json:"targetCount,omitempty"`
		ErrorCode     int    `json:"errorCode,omitempty"`
		AcceptedTime  string `json:"acceptedTime"`
		CompletedTime string `json:"completedTime,omitempty"`
	}{AcceptedTime: job.accepted.UTC().Format(timestamp)}
	all, none := len(job.reached), 0
	switch age := c.now.Sub(job.accepted); {
	case age < narrowcastWaiting:
		progress.Phase = "waiting"
	case job.failure != 0:
		progress.Phase, progress.ErrorCode = "failed", job.failure
		progress.CompletedTime = job.accepted.Add(narrowcastWaiting).UTC().Format(timestamp)
	case age < narrowcastWaiting+narrowcastSending:
		progress.Phase = "sending"
		progress.SuccessCount, progress.FailureCount, progress.TargetCount = &none, &none, &all
	default:
		progress.Phase = "succeeded"
		progress.SuccessCount, progress.FailureCount, progress.TargetCount = &all, &none, &all
		progress.CompletedTime = job.ends().UTC().Format(timestamp)
	}
	return jsonAnswer(http.StatusOK, progress)
}
