package lineapi

import (
	"bytes"
	"encoding/json"
)

// Action is what a tap does: one LINE action object, kept as its JSON like a [Message]. The zero value is none.
type Action struct {
	raw json.RawMessage
}

// MessageAction sends text into the chat in the user's name.
func MessageAction(label, text string) Action {
	a := typed("message")
	a.text("label", label)
	a.value("text", text)
	return Action{a.close()}
}

// PostbackAction sends data to the webhook. DisplayText appears in the chat in the user's name, unless it is empty.
func PostbackAction(label, data, displayText string) Action {
	a := typed("postback")
	a.text("label", label)
	a.value("data", data)
	a.text("displayText", displayText)
	return Action{a.close()}
}

// URIAction opens a URI: http, https, line or tel.
func URIAction(label, uri string) Action {
	a := typed("uri")
	a.text("label", label)
	a.value("uri", uri)
	return Action{a.close()}
}

// ActionOf makes an action from anything that marshals to one, as [MessageOf] does for messages.
func ActionOf(v any) (Action, error) {
	if a, ok := v.(Action); ok {
		return a, nil
	}
	m, err := MessageOf(v)
	return Action(m), err
}

// MarshalJSON gives the bytes that the action was made from, and null for none.
func (a Action) MarshalJSON() ([]byte, error) { return orNull(a.raw), nil }

// UnmarshalJSON keeps a copy of data.
func (a *Action) UnmarshalJSON(data []byte) error {
	a.raw = bytes.Clone(data)
	return nil
}

func (o *object) action(name string, a Action) {
	if a.raw != nil {
		o.raw(name, a.raw)
	}
}

func (o *object) actions(actions []Action) {
	o.list("actions", len(actions), func(i int) []byte { return orNull(actions[i].raw) })
}

// orNull stands in for a raw part that is missing, so that a check can say where.
func orNull(raw []byte) []byte {
	if len(raw) == 0 {
		return []byte("null")
	}
	return raw
}
