package lineapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Message is one LINE message object, kept as its JSON. It goes to LINE byte for byte as it was given, so a type or a
// field that LINE adds tomorrow passes through. The zero value is invalid. A Message is immutable and may be shared.
type Message struct {
	raw json.RawMessage
}

// MaxMessages is how many messages one request may hold
// (https://developers.line.biz/en/reference/messaging-api/#send-push-message).
const MaxMessages = 5

// MarshalJSON gives the bytes that the message was made from.
func (m Message) MarshalJSON() ([]byte, error) {
	if m.raw == nil {
		return nil, errors.New("lineapi: the zero Message is not a message")
	}
	return m.raw, nil
}

// UnmarshalJSON keeps a copy of data. It wants an object with a type, as [MessageOf] does.
func (m *Message) UnmarshalJSON(data []byte) error {
	if problem := shapeProblem(data); problem != "" {
		return wrong("the message", problem)
	}
	m.raw = bytes.Clone(data)
	return nil
}

// Type is the message's type, for example "text", and empty when it has none.
func (m Message) Type() string {
	fields, _ := decodeObject(m.raw)
	return node{fields: fields}.text("type")
}

// MessageOf makes a message from anything that marshals to one: a map, raw JSON ([]byte or json.RawMessage), a struct,
// the models of LINE's own SDK. Raw JSON is kept as it is. Only the shape is checked here: a JSON object whose type is
// a string and not empty; [CheckMessages] checks the rest.
func MessageOf(v any) (Message, error) {
	var raw []byte
	switch v := v.(type) {
	case Message:
		raw = v.raw
	case []byte:
		raw = bytes.Clone(v)
	case json.RawMessage:
		raw = bytes.Clone(v)
	case string:
		return Message{}, wrong("a string", "is not a message object: Text makes one of it")
	default:
		var err error
		if raw, err = marshal(v); err != nil {
			return Message{}, &Error{Reason: Invalid, Unsent: true, Message: "the message can't be written as JSON", Err: err}
		}
	}
	raw = bytes.TrimSpace(raw)
	if problem := shapeProblem(raw); problem != "" {
		if losesItsMarshaler(v) {
			problem += fmt.Sprintf(": give a pointer, *%T writes its own JSON and %[1]T doesn't", v)
		}
		return Message{}, wrong("the message", problem)
	}
	return Message{raw: raw}, nil
}

// losesItsMarshaler tells whether only a pointer to v would be written by its own MarshalJSON, which is how the models of
// LINE's SDK get their type.
func losesItsMarshaler(v any) bool {
	if v == nil {
		return false
	}
	marshaler := reflect.TypeFor[json.Marshaler]()
	t := reflect.TypeOf(v)
	return !t.Implements(marshaler) && reflect.PointerTo(t).Implements(marshaler)
}

// shapeProblem says why raw can't be a message object.
func shapeProblem(raw []byte) string {
	if json.Valid(raw) && utf8.Valid(raw) && isPlainlyTyped(raw) {
		return ""
	}
	_, problem := decodeTyped(raw)
	return problem
}

// decodeTyped reads a JSON object whose type is a string and not empty, or says what else raw is.
func decodeTyped(raw []byte) (fields map[string]any, problem string) {
	fields, problem = decodeObject(raw)
	if problem != "" {
		return nil, problem
	}
	if _, ok := fields["type"]; !ok {
		return nil, "has no type"
	}
	if t, _ := fields["type"].(string); t == "" {
		return nil, "has a type that is empty or not a string"
	}
	return fields, ""
}

// decodeObject reads a JSON object, with its numbers as [json.Number].
func decodeObject(raw []byte) (fields map[string]any, problem string) {
	switch {
	case len(raw) == 0:
		return nil, "is empty"
	case !utf8.Valid(raw):
		return nil, "is not valid UTF-8"
	}
	if !json.Valid(raw) {
		var value json.RawMessage
		if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(raw, &value)); ok {
			return nil, "is not JSON: " + position(raw, syntax)
		}
		return nil, "is not JSON"
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return nil, "is not a JSON object"
	}
	return fields, ""
}

// ParseMessages reads a file that holds one message object or an array of one to five. Errors give line and column, or
// the JSON path. It checks what [MessageOf] checks; anything after the value is refused.
func ParseMessages(data []byte) ([]Message, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // some editors begin a file so
	if !utf8.Valid(data) {
		return nil, wrong("the file", "is not valid UTF-8")
	}
	var value json.RawMessage
	if err := json.Unmarshal(data, &value); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, wrong("the file", "is not JSON: "+position(data, syntax))
		}
		return nil, wrong("the file", "is not JSON")
	}
	value = bytes.TrimSpace(value)
	if value[0] != '[' {
		if problem := shapeProblem(value); problem != "" {
			return nil, wrong("the message", problem)
		}
		return []Message{{raw: bytes.Clone(value)}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, wrong("the file", "is not JSON")
	}
	if len(list) < 1 || len(list) > MaxMessages {
		return nil, refused(Detail{fmt.Sprintf("Size must be between 1 and %d", MaxMessages), "messages"})
	}
	messages := make([]Message, len(list))
	for i, raw := range list {
		if problem := shapeProblem(raw); problem != "" {
			return nil, refused(Detail{problem, fmt.Sprintf("messages[%d]", i)})
		}
		messages[i] = Message{raw: raw}
	}
	return messages, nil
}

// position places a syntax error: its offset counts the bytes read when it was found.
func position(data []byte, err *json.SyntaxError) string {
	before := data[:min(max(err.Offset-1, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d: %s", line, column, err)
}

// compactSize counts the bytes of JSON without the space between its parts.
func compactSize(raw []byte) int {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return len(raw)
	}
	return b.Len()
}

// marshal writes v as JSON without turning <, > and & into escapes, which only HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
