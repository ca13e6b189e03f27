package tasks

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/lineq/lineq/lineapi"
)

// Version is the version of the payloads that this package writes. It rises when an older reader would misunderstand a
// payload, not when a field joins.
const Version = 1

// MaxPayload bounds a payload, in bytes: LINE takes requests of at most 2 MB, and an image of 1 MB grows by a third in
// JSON.
const MaxPayload = 4 << 20

// ErrNewerVersion is returned for a payload that a newer version of this package wrote.
var ErrNewerVersion = errors.New("payload of a newer version")

// Envelope is a task on its way to LINE. Channel and ID together are its identity.
type Envelope struct {
	Channel string
	ID      string
	// RetryKey is the caller's own X-Line-Retry-Key; empty: lineq makes one, see the function RetryKey.
	RetryKey string
	// EnqueuedAt is when the caller handed the task over, by the caller's clock.
	EnqueuedAt time.Time
	// DueAt is the time that the caller asked for. Zero, or past: at once.
	DueAt time.Time
	// Deadline is after when the task must not be sent any more. Zero: none.
	Deadline time.Time
	Task     Task

	// read is the task's JSON as Decode found it.
	read json.RawMessage
}

// payload is the envelope's JSON. The kind stands beside it, as the queued task's type.
type payload struct {
	head
	Task json.RawMessage `json:"task"`
}

// head is all of a payload but the task.
type head struct {
	Version    int       `json:"v"`
	Channel    string    `json:"channel"`
	ID         string    `json:"id"`
	RetryKey   string    `json:"retry_key,omitempty"`
	EnqueuedAt time.Time `json:"enqueued_at,omitzero"`
	DueAt      time.Time `json:"due_at,omitzero"`
	Deadline   time.Time `json:"deadline,omitzero"`
}

// Encode returns the payload of the envelope. It fails on names that Redis keys can't carry, on an unknown kind and on
// a task beyond MaxPayload; it doesn't check the task itself. A message's bytes stay as they are, but for white space
// between its parts.
func (e Envelope) Encode() ([]byte, error) {
	if err := cmp.Or(CheckChannel(e.Channel), CheckID(e.ID)); err != nil {
		return nil, err
	}
	if e.Task == nil {
		return nil, errors.New("no task")
	}
	task, err := EncodeTask(e.Task)
	if err != nil {
		return nil, err
	}
	b, err := marshal(head{Version, e.Channel, e.ID, e.RetryKey, e.EnqueuedAt, e.DueAt, e.Deadline})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Task.Kind(), err)
	}
	// The task is JSON already: marshalled with the rest, it would be read once more.
	b = append(append(append(b[:len(b)-1], `,"task":`...), task...), '}')
	if len(b) > MaxPayload {
		return nil, fmt.Errorf("encode %s: %d bytes, at most %d can be queued", e.Task.Kind(), len(b), MaxPayload)
	}
	return b, nil
}

// EncodeTask returns a task's JSON alone, as it stands in a payload.
func EncodeTask(t Task) ([]byte, error) {
	if _, err := lookUp(t.Kind()); err != nil {
		return nil, err
	}
	b, err := marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", t.Kind(), err)
	}
	return b, nil
}

// DecodeTask is the reverse of EncodeTask. Like Decode it fails with ErrUnknownKind, and its errors hold nothing of the task.
func DecodeTask(k Kind, b []byte) (Task, error) {
	known, err := lookUp(k)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] != '{' {
		return nil, fmt.Errorf("decode %s: no JSON object in the payload's field task", k)
	}
	task := known.empty()
	if err := json.Unmarshal(b, task); err != nil {
		return nil, fmt.Errorf("decode %s: task: %w", k, withoutValue(err))
	}
	// Of all that JSON may leave out, only a rich menu can't be written when it is empty.
	if t, ok := task.(*PublishRichMenu); ok {
		if _, err := t.Menu.MarshalJSON(); err != nil {
			return nil, fmt.Errorf("decode %s: task: a part of it is missing", k)
		}
	}
	return reflect.ValueOf(task).Elem().Interface().(Task), nil
}

// Decode reads a payload. It fails with ErrUnknownKind or ErrNewerVersion where another version of lineq may be able to
// read it; what it refuses otherwise, nobody can read. Fields that it doesn't know are passed over. Its errors hold
// nothing of the task.
func Decode(k Kind, b []byte) (Envelope, error) {
	if _, err := lookUp(k); err != nil {
		return Envelope{}, err
	}
	if len(b) > MaxPayload {
		return Envelope{}, fmt.Errorf("decode %s: payload of %d bytes, at most %d are read", k, len(b), MaxPayload)
	}
	var p payload
	unread := json.Unmarshal(b, &p)
	if unread != nil {
		// A newer version may give every field but its own another shape.
		var version struct {
			Version int `json:"v"`
		}
		if err := json.Unmarshal(b, &version); err != nil {
			return Envelope{}, fmt.Errorf("decode %s: %w", k, withoutValue(err))
		}
		p.Version = version.Version
	}
	switch v := p.Version; {
	case v > Version:
		return Envelope{}, fmt.Errorf("decode %s: %w: it is of version %d, this program reads up to %d",
			k, ErrNewerVersion, v, Version)
	case v < 1:
		return Envelope{}, fmt.Errorf("decode %s: no version in the payload's field v", k)
	}
	if unread != nil {
		return Envelope{}, fmt.Errorf("decode %s: %w", k, withoutValue(unread))
	}
	if err := cmp.Or(CheckChannel(p.Channel), CheckID(p.ID)); err != nil {
		return Envelope{}, fmt.Errorf("decode %s: %w", k, err)
	}
	task, err := DecodeTask(k, p.Task)
	if err != nil {
		return Envelope{}, err
	}
	return Envelope{
		Channel: p.Channel, ID: p.ID, RetryKey: p.RetryKey, EnqueuedAt: p.EnqueuedAt, DueAt: p.DueAt, Deadline: p.Deadline,
		Task: task, read: p.Task,
	}, nil
}

// withoutValue takes the offending value out of a decoding error: it may be text of a message. lineapi's errors hold
// none.
func withoutValue(err error) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		return fmt.Errorf("field %q at byte %d can't be read into %s", typed.Field, typed.Offset, typed.Type)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("malformed JSON at byte %d", syntax.Offset)
	}
	var refused *lineapi.Error
	if errors.As(err, &refused) {
		return refused
	}
	return errors.New("malformed JSON")
}

// Hash is a fingerprint of what the task asks for: its kind, its content and the caller's retry key. It is the same for
// the same content in other JSON (order of fields, white space, escapes). Of a decoded envelope it is taken over what
// stood in the payload, fields included that this version doesn't know: during a rolling upgrade all get the same.
func (e Envelope) Hash() ([sha256.Size]byte, error) {
	task := []byte(e.read)
	if task == nil {
		var err error
		if task, err = marshal(e.Task); err != nil {
			return [sha256.Size]byte{}, fmt.Errorf("encode %s: %w", e.Task.Kind(), err)
		}
	}
	names, err := json.Marshal([]string{string(e.Task.Kind()), e.RetryKey})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("encode %s: %w", e.Task.Kind(), err)
	}
	// One JSON array: kind, retry key, content.
	content, _ := canonical(append(names[:len(names)-1], ','), task)
	return sha256.Sum256(append(content, ']')), nil
}

// marshal leaves < > & as they are: a message's bytes go to LINE unchanged.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
