package lineapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
)

// Detail is one of LINE's remarks on a request: what is wrong, and where. Property is a JSON path in the request's body,
// such as messages[0].text, or the name of a path parameter.
type Detail struct {
	Message  string `json:"message,omitempty"`
	Property string `json:"property,omitempty"`
}

// Error is the error of every call and every check of this package. Its text and its fields hold no access token, no
// reply token, no message text and no URL.
type Error struct {
	Operation string // LINE's operationId, for example "pushMessage"; empty from a check outside a call
	Status    int    // LINE's HTTP status, 0 without an answer
	Reason    Reason
	Message   string   // LINE's explanation, or ours for what was refused before it was sent; at most 1 KB
	Details   []Detail // at most 20

	RequestID         string        // X-Line-Request-Id: LINE's name for this attempt
	AcceptedRequestID string        // X-Line-Accepted-Request-Id
	RetryAfter        time.Duration // LINE documents no Retry-After; honoured should one appear

	// Unsent is true only if it is certain that no byte of the request reached LINE: it was refused by a check, no token
	// could be had, or no connection was made. False proves nothing.
	Unsent bool

	Err error // the cause, when it is not LINE's answer
}

// A text or a list from LINE is cut here, so that a broken proxy can't fill logs and records.
const (
	maxErrorText    = 1 << 10
	maxErrorDetails = 20
)

// Error gives operation, status, explanation and request id on one line.
func (e *Error) Error() string {
	var b strings.Builder
	part := func(separator, s string) {
		if s == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteString(separator)
		}
		b.WriteString(s)
	}
	part("", e.Operation)
	if e.Status != 0 {
		part(": ", strconv.Itoa(e.Status))
	}
	switch {
	case e.Message != "":
		part(": ", e.Message)
	case e.Status != 0:
		part(" ", http.StatusText(e.Status))
	case e.Err == nil && len(e.Details) == 0:
		part(": ", string(e.Reason))
	}
	for i, d := range e.Details {
		separator := "; "
		if i == 0 {
			separator = ": "
		}
		text := d.Message
		if d.Property != "" {
			text = strings.TrimSpace(d.Property + " " + text)
		}
		part(separator, text)
	}
	if e.Err != nil {
		part(": ", oneLine(e.Err.Error()))
	}
	if e.RequestID != "" {
		part(" ", "(request id "+e.RequestID+")")
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// MarshalLogObject keeps the error structured in zap's logs: zap.Object("error", err).
func (e *Error) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("operation", e.Operation)
	enc.AddString("reason", string(e.Reason))
	if e.Status != 0 {
		enc.AddInt("status", e.Status)
	}
	enc.AddString("message", e.Message)
	if e.RequestID != "" {
		enc.AddString("request_id", e.RequestID)
	}
	if e.AcceptedRequestID != "" {
		enc.AddString("accepted_request_id", e.AcceptedRequestID)
	}
	if e.RetryAfter > 0 {
		enc.AddDuration("retry_after", e.RetryAfter)
	}
	if e.Unsent {
		enc.AddBool("unsent", true)
	}
	if e.Err != nil {
		enc.AddString("cause", e.Err.Error())
	}
	if len(e.Details) == 0 {
		return nil
	}
	return enc.AddArray("details", zapcore.ArrayMarshalerFunc(func(list zapcore.ArrayEncoder) error {
		for _, d := range e.Details {
			if err := list.AppendObject(d); err != nil {
				return err
			}
		}
		return nil
	}))
}

// MarshalLogObject is for zap, as part of [Error].
func (d Detail) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("property", d.Property)
	enc.AddString("message", d.Message)
	return nil
}

// refused is an error of a check: nothing was sent.
func refused(details ...Detail) *Error {
	e := &Error{Reason: Invalid, Unsent: true, Message: "refused before sending", Details: details}
	if len(e.Details) > maxErrorDetails {
		e.Details = e.Details[:maxErrorDetails]
	}
	return e
}

// inOperation names the operation in an error of a check. Checks return fresh errors, so it may be written to.
func inOperation(operation string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Operation == "" {
		e.Operation = operation
	}
	return err
}

// withoutURL drops the URL that net/http puts around its errors: the verify endpoint has the token in its query.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// explainAnswer reads an error body of any shape: LINE's {message, details}, the token endpoints' {error,
// error_description}, and what isn't JSON at all, such as the HTML of an edge server, which gives nothing to quote.
func explainAnswer(body []byte) (message string, details []Detail) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		if len(body) > 0 {
			return "the answer is not JSON", nil
		}
		return "", nil
	}
	text := func(raw json.RawMessage) (s string) {
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	message = text(object["message"])
	if message == "" {
		message = text(object["error"])
		if description := text(object["error_description"]); description != "" {
			message = strings.TrimPrefix(message+": "+description, ": ")
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(object["details"], &list) != nil {
		return message, nil
	}
	for _, raw := range list {
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			continue
		}
		d := Detail{Message: text(fields["message"]), Property: text(fields["property"])}
		if d == (Detail{}) {
			continue
		}
		if details = append(details, d); len(details) == maxErrorDetails {
			break
		}
	}
	return message, details
}

// oneLine makes a foreign text fit for an error and a log line: valid UTF-8, no control characters, at most 1 KB.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxErrorText {
		return s
	}
	cut := maxErrorText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// retryAfter reads both forms of the header, seconds and a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
