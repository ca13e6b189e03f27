package linesim

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// State is what a user or chat is to the simulated accounts.
type State string

const (
	// Friend is the default: a user who receives, a chat that the account is in.
	Friend State = "friend"
	// Blocked is a user who blocked or deleted the account: sends succeed, arrive nowhere and cost nothing.
	Blocked State = "blocked"
	// Unknown is a user who doesn't exist in the channel: a push is refused.
	Unknown State = "unknown"
	// Left is a chat that the account isn't in: a push is refused.
	Left State = "left"
)

// User describes a user. AddUser with an ID that exists replaces it.
type User struct {
	ID            string `json:"id"`
	State         State  `json:"state"`       // empty: Friend
	DisplayName   string `json:"displayName"` // empty: made from the ID
	PictureURL    string `json:"pictureUrl,omitempty"`
	StatusMessage string `json:"statusMessage,omitempty"`
	Language      string `json:"language,omitempty"`
}

// Chat describes a group or room. AddChat with an ID that exists replaces it.
type Chat struct {
	ID      string   `json:"id"`
	State   State    `json:"state"`   // Friend (empty) or Left
	Name    string   `json:"name"`    // of a group; empty: made from the ID
	Members []string `json:"members"` // user IDs; a push to the chat costs as many
}

// recipientID is U, C or R and the 16 bytes that follow in hexadecimal.
type recipientID [17]byte

// parseRecipient takes LINE's form of an ID, ^[UCR][0-9a-f]{32}$.
func parseRecipient(s string) (id recipientID, ok bool) {
	if len(s) != 33 || s[0] != 'U' && s[0] != 'C' && s[0] != 'R' {
		return id, false
	}
	id[0] = s[0]
	for i := range 16 {
		high, low := nibble(s[1+2*i]), nibble(s[2+2*i])
		if high|low > 15 {
			return id, false
		}
		id[1+i] = high<<4 | low
	}
	return id, true
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

func (id recipientID) String() string {
	var s [33]byte
	s[0] = id[0]
	hex.Encode(s[1:], id[1:])
	return string(s[:])
}

// directory numbers everyone who was added or was sent something, in that order. Numbers are never given up, so the
// ledger can keep four bytes instead of an ID.
type directory struct {
	mu     sync.RWMutex
	number map[recipientID]uint32
	ids    []recipientID
	states []state
	users  map[recipientID]User // what AddUser told
	chats  map[recipientID]Chat // what AddChat told
}

type state byte

const (
	friend state = iota
	blocked
	unknown
	left
)

var states = map[State]state{"": friend, Friend: friend, Blocked: blocked, Unknown: unknown, Left: left}

func newDirectory() *directory {
	return &directory{number: map[recipientID]uint32{}, users: map[recipientID]User{}, chats: map[recipientID]Chat{}}
}

// stateOf is friend for an ID that nobody has spoken of.
func (d *directory) stateOf(id recipientID) state {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.state(id)
}

func (d *directory) state(id recipientID) state {
	if n, ok := d.number[id]; ok {
		return d.states[n]
	}
	return friend
}

// register returns the number of id and gives it one if necessary. The caller holds mu.
func (d *directory) register(id recipientID) uint32 {
	if n, ok := d.number[id]; ok {
		return n
	}
	n := uint32(len(d.ids))
	d.number[id] = n
	d.ids = append(d.ids, id)
	d.states = append(d.states, friend)
	return n
}

// numbers registers ids and returns their numbers.
func (d *directory) numbers(ids []recipientID) []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]uint32, len(ids))
	for i, id := range ids {
		all[i] = d.register(id)
	}
	return all
}

// friends returns at most limit users who receive, in the order in which they became known, from position start on. A
// negative limit means all. next is where the following page starts, or 0 at the end.
func (d *directory) friends(start, limit int) (ids []recipientID, next int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i := start; i < len(d.ids); i++ {
		if d.ids[i][0] != 'U' || d.states[i] != friend {
			continue
		}
		if len(ids) == limit {
			return ids, i
		}
		ids = append(ids, d.ids[i])
	}
	return ids, 0
}

// members are the users of a chat. A chat without a description has one, whose ID is the chat's with another first letter.
func (d *directory) members(id recipientID) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if chat, ok := d.chats[id]; ok {
		return chat.Members
	}
	id[0] = 'U'
	return []string{id.String()}
}

// cost is how many people a message to id reaches: none if it doesn't arrive.
func (d *directory) cost(id recipientID) int64 {
	if id[0] != 'U' {
		return int64(len(d.members(id)))
	}
	if d.stateOf(id) == friend {
		return 1
	}
	return 0
}

// AddUser makes a user known, or changes one.
func (s *Simulator) AddUser(u User) error {
	id, ok := parseRecipient(u.ID)
	if !ok || id[0] != 'U' {
		return errors.New("linesim: not a user ID")
	}
	if u.State == Left {
		return errors.New("linesim: a user can't be left")
	}
	value, ok := states[u.State]
	if !ok {
		return fmt.Errorf("linesim: no state %q", u.State)
	}
	d := s.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	d.states[d.register(id)] = value
	d.users[id] = u
	return nil
}

// AddChat makes a group or room known, or changes one. Its members don't become friends of the account by that.
func (s *Simulator) AddChat(c Chat) error {
	id, ok := parseRecipient(c.ID)
	if !ok || id[0] == 'U' {
		return errors.New("linesim: not a group or room ID")
	}
	if c.State != "" && c.State != Friend && c.State != Left {
		return fmt.Errorf("linesim: a chat can't be %q", c.State)
	}
	for _, m := range c.Members {
		if member, ok := parseRecipient(m); !ok || member[0] != 'U' {
			return errors.New("linesim: a chat's members are user IDs")
		}
	}
	c.Members = append([]string(nil), c.Members...)
	d := s.directory
	d.mu.Lock()
	defer d.mu.Unlock()
	d.states[d.register(id)] = states[c.State]
	d.chats[id] = c
	return nil
}
