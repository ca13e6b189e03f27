package producer

import (
	"time"
)

// Option is a setting of one call.
type Option interface{ apply(*settings) }

type settings struct {
	channel  string
	id       string
	unique   bool // nobody else has the id
	retryKey string
	at       time.Time
	deadline time.Time
	urgent   bool
	durable  *durability // nil: not asked for
}

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// ChannelOption is the option [Channel], the only one that looking up takes.
type ChannelOption struct{ name string }

func (o ChannelOption) apply(s *settings) { s.channel = o.name }

// Channel names the channel that sends, or whose task is meant. Without it, it is the client's own.
func Channel(name string) ChannelOption { return ChannelOption{name} }

// ID gives the task an ID of the caller's own, which makes the call repeatable: 1 to 128 letters, digits and . _ : @ + = -
// Don't put anything secret into it. Without it, the ID is random.
func ID(id string) Option { return optionFunc(func(s *settings) { s.id, s.unique = id, false }) }

// UniqueID is ID for one that was made at random for this call, such as a UUID, where it must have a form of its own. As
// without an ID the call can't be repeated, and costs no look at the record.
func UniqueID(id string) Option { return optionFunc(func(s *settings) { s.id, s.unique = id, true }) }

// At sends no earlier than t, and normally within 1.5 s of it. A time that has passed means now.
func At(t time.Time) Option { return optionFunc(func(s *settings) { s.at = t }) }

// After sends no earlier than d from now. See At.
func After(d time.Duration) Option { return optionFunc(func(s *settings) { s.at = time.Now().Add(d) }) }

// Urgent sends ahead of everything that isn't, on a queue of its own.
func Urgent() Option { return optionFunc(func(s *settings) { s.urgent = true }) }

// Deadline gives up on the task when it could not be sent by t: it ends as failed, for the reason expired. Replies and
// loading animations have one of their own when none is given.
func Deadline(t time.Time) Option { return optionFunc(func(s *settings) { s.deadline = t }) }

// RetryKey is an X-Line-Retry-Key of the caller's own, a UUID, which goes to LINE as it is: for an app that has tried to
// send at LINE directly before. Only push, multicast, narrowcast and broadcast take one.
func RetryKey(key string) Option { return optionFunc(func(s *settings) { s.retryKey = key }) }
