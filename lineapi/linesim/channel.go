package linesim

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// DefaultChannel is the channel of a simulator that was given none.
var DefaultChannel = Channel{ID: "1234567890", Secret: "simulated-secret", Token: "simulated-token"}

// Channel is one Messaging API channel.
type Channel struct {
	ID     string
	Secret string
	Token  string // long-lived channel access token; empty: tokens are only issued

	Name       string // display name of the account; empty: "Simulated account"
	Quota      Quota
	Unverified bool // an account that may not read its followers and group members (403)

	// AssertionKeys holds the registered public keys by key ID. When there are any, a JWT assertion must name one of them
	// and carry its RS256 signature; otherwise only the claims are checked.
	AssertionKeys map[string]*rsa.PublicKey
}

// Quota is a month's allowance, in people reached.
type Quota struct {
	Limit int64 `json:"limit"` // 0: none
	Used  int64 `json:"used"`  // in the current month
}

type channel struct {
	Channel
	number  uint16
	userID  string // of the bot itself
	buckets []bucket
	keys    map[string]*retryKeys // by operation
	menus   richMenus
	replies replyTokens

	mu        sync.Mutex
	month     string // of used and units
	used      int64
	reserved  int64 // by narrowcasts that are still on their way
	units     []string
	delivered map[deliveredOn]int64
	audiences map[int64][]string
}

type deliveredOn struct{ operation, date string }

// AddChannel adds a channel, or fails when its ID or token is taken.
func (s *Simulator) AddChannel(c Channel) error {
	if c.ID == "" {
		return errors.New("linesim: a channel has no ID")
	}
	if c.Quota.Limit < 0 || c.Quota.Used < 0 {
		return fmt.Errorf("linesim: Quota of channel %s is negative", c.ID)
	}
	if c.Name == "" {
		c.Name = "Simulated account"
	}
	c.AssertionKeys = maps.Clone(c.AssertionKeys)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels[c.ID] != nil {
		return fmt.Errorf("linesim: channel %s exists already", c.ID)
	}
	added := &channel{
		Channel:   c,
		number:    uint16(len(s.numbers)),
		userID:    "U" + s.hex("bot", uint64(len(s.numbers))),
		buckets:   make([]bucket, len(endpoint.All)),
		keys:      map[string]*retryKeys{},
		month:     month(s.Now()),
		used:      c.Quota.Used,
		delivered: map[deliveredOn]int64{},
		audiences: map[int64][]string{},
	}
	added.menus.init()
	added.replies.init()
	for _, e := range endpoint.All {
		if e.Class == endpoint.RetryKey {
			added.keys[e.Operation] = &retryKeys{accepted: map[retryKey]accepted{}}
		}
	}
	if c.Token != "" && !s.tokens.add(c.Token, token{channel: added, kind: longLived}) {
		return fmt.Errorf("linesim: the token of channel %s belongs to another", c.ID)
	}
	s.channels[c.ID] = added
	s.numbers = append(s.numbers, added)
	return nil
}

// SetQuota replaces a channel's allowance and what it has used of it.
func (s *Simulator) SetQuota(channelID string, q Quota) error {
	c, err := s.channel(channelID)
	if err != nil {
		return err
	}
	if q.Limit < 0 || q.Used < 0 {
		return errors.New("linesim: Quota is negative")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.month = month(s.Now())
	c.Quota, c.used = q, q.Used
	return nil
}

// Quota is what a channel may send and has sent in the current month.
func (s *Simulator) Quota(channelID string) (Quota, error) {
	c, err := s.channel(channelID)
	if err != nil {
		return Quota{}, err
	}
	s.settle(s.Now())
	return c.quota(s.Now()), nil
}

// SetAudience gives a channel an audience of uploaded user IDs, for narrowcasts.
func (s *Simulator) SetAudience(channelID string, audienceGroupID int64, userIDs []string) error {
	c, err := s.channel(channelID)
	if err != nil {
		return err
	}
	for _, id := range userIDs {
		if r, ok := parseRecipient(id); !ok || r[0] != 'U' {
			return errors.New("linesim: an audience holds user IDs only")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.audiences[audienceGroupID] = append([]string(nil), userIDs...)
	return nil
}

var japan = time.FixedZone("UTC+9", 9*60*60)

func month(t time.Time) string { return t.In(japan).Format("200601") }
func date(t time.Time) string  { return t.In(japan).Format("20060102") }

// turn starts a new month where one has begun. The caller holds mu.
func (c *channel) turn(now time.Time) {
	if m := month(now); m != c.month {
		c.month, c.used, c.units = m, 0, nil
	}
}

func (c *channel) quota(now time.Time) Quota {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	return Quota{Limit: c.Quota.Limit, Used: c.used}
}

// spend takes n from the quota, all or nothing.
func (c *channel) spend(now time.Time, operation string, n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	if n > c.remaining() {
		return false
	}
	c.used += n
	c.delivered[deliveredOn{operation, date(now)}] += n
	return true
}

// remaining is what may still be sent. The caller holds mu.
func (c *channel) remaining() int64 {
	if c.Quota.Limit == 0 {
		return 1 << 62
	}
	return max(0, c.Quota.Limit-c.used-c.reserved)
}

// replied counts a reply, which costs nothing (https://developers.line.biz/en/docs/messaging-api/pricing/).
func (c *channel) replied(now time.Time, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivered[deliveredOn{"replyMessage", date(now)}] += n
}

// maxUnits is the number of distinct aggregation units in a month; LINE drops further ones without a word
// (https://developers.line.biz/en/docs/messaging-api/unit-based-statistics-aggregation/).
const maxUnits = 1000

func (c *channel) use(now time.Time, unit string) {
	if unit == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(now)
	for _, u := range c.units {
		if u == unit {
			return
		}
	}
	if len(c.units) < maxUnits {
		c.units = append(c.units, unit)
	}
}
