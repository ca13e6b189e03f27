package asynqdash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// formatter makes payloads readable. What it can't read, it shows the size of: the bytes may be anybody's.
type formatter struct{ shown bool }

// summary is what is shown of a task. It is JSON, which asynqmon lays out.
type summary struct {
	Kind       tasks.Kind `json:"kind"`
	Channel    string     `json:"channel"`
	ID         string     `json:"id,omitempty"`
	Campaign   string     `json:"campaign,omitempty"`
	Lane       int        `json:"lane,omitempty"`
	Run        int        `json:"run,omitempty"`
	To         string     `json:"to,omitempty"`
	Recipients int        `json:"recipients,omitempty"`
	Messages   []message  `json:"messages,omitempty"`
	EnqueuedAt time.Time  `json:"enqueued_at,omitzero"`
	Deadline   time.Time  `json:"deadline,omitzero"`
	Bytes      int        `json:"bytes"`
	// Content is the whole task, where that is to be shown.
	Content json.RawMessage `json:"content,omitempty"`
}

type message struct {
	Type       string `json:"type"`
	Characters int    `json:"characters,omitempty"`
}

func size(b []byte) string { return fmt.Sprintf("(%d bytes)", len(b)) }

func (f formatter) payload(kind string, b []byte) string {
	k := tasks.Kind(kind)
	switch k {
	case campaign.KindLane, campaign.KindPreflight, campaign.KindWebhook:
		j, err := campaign.DecodeJob(b)
		if err != nil {
			return size(b)
		}
		return layOut(summary{Kind: k, Channel: j.Channel, Campaign: j.ID, Lane: j.Lane, Run: j.Run, Bytes: len(b)}, b)
	}
	e, err := tasks.Decode(k, b)
	if err != nil {
		return size(b)
	}
	s := summary{Kind: k, Channel: e.Channel, ID: e.ID, EnqueuedAt: e.EnqueuedAt, Deadline: e.Deadline, Bytes: len(b)}
	if to := tasks.Recipient(e.Task); to != "" {
		s.To, s.Recipients = f.id(to), 1
	}
	if n := tasks.Several(e.Task); n > 0 {
		s.Recipients = n
	}
	messages, task := tasks.MessagesOf(e.Task), e.Task
	if reply, is := task.(tasks.Reply); is {
		reply.ReplyToken = "masked" // whoever has it can answer in the channel's name
		task = reply
	}
	for _, m := range messages[:min(len(messages), lineapi.MaxMessages)] {
		s.Messages = append(s.Messages, f.message(m))
	}
	if f.shown {
		if s.Content, err = tasks.EncodeTask(task); err != nil {
			s.Content = nil
		}
	}
	return layOut(s, b)
}

// message tells of one by its type and a text's length. A type that LINE doesn't have may be a text in the wrong place.
func (f formatter) message(m lineapi.Message) message {
	one := message{Type: m.Type()}
	switch one.Type {
	case "text", "textV2", "sticker", "image", "video", "audio", "location", "imagemap", "template", "flex", "coupon":
	default:
		one.Type = "other"
	}
	var text struct {
		Text string `json:"text"`
	}
	if raw, err := m.MarshalJSON(); err == nil && json.Unmarshal(raw, &text) == nil {
		one.Characters = utf8.RuneCountInString(text.Text)
	}
	return one
}

// id leaves what tells an id apart, as lineq's own pages do.
func (f formatter) id(id string) string {
	if f.shown {
		return id
	}
	if len(id) < 16 {
		return "••••"
	}
	return id[:5] + "…" + id[len(id)-4:]
}

// result shows a size: lineq's results are in its records, and what other programs write may be anything.
func (formatter) result(_ string, b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return size(b)
}

var (
	errorField = regexp.MustCompile(`"error_message":"(?:[^"\\]|\\.)*"`)
	lineID     = regexp.MustCompile(`[UCR][0-9a-f]{32}`)
)

// withoutIDs masks the ids in an answer's error texts, which asynqmon passes on as the worker wrote them.
func withoutIDs(answer []byte) []byte {
	return errorField.ReplaceAllFunc(answer, func(field []byte) []byte {
		return lineID.ReplaceAllFunc(field, func(id []byte) []byte { return []byte(formatter{}.id(string(id))) })
	})
}

func layOut(s summary, payload []byte) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return size(payload)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
