package linesim

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Content is an image, video, audio or file that a user sent.
type Content struct {
	MessageID string // empty: one is made
	MediaType string // for example "image/jpeg"
	Data      []byte
	Preview   []byte        // empty: there is none
	Prepare   time.Duration // until it can be downloaded, from AddContent on
	Failed    bool          // preparation fails when Prepare is over
}

type contents struct {
	mu   sync.RWMutex
	byID map[string]*content
}

type content struct {
	Content
	channel *channel
	ready   time.Time
	gone    bool
}

// AddContent puts a message with content into a channel and returns its message ID.
func (s *Simulator) AddContent(channelID string, added Content) (string, error) {
	c, err := s.channel(channelID)
	if err != nil {
		return "", err
	}
	if added.MediaType == "" {
		return "", errors.New("linesim: Content has no MediaType")
	}
	if added.MessageID == "" {
		added.MessageID = messageID(s.messages.Add(1))
	}
	s.contents.mu.Lock()
	defer s.contents.mu.Unlock()
	if s.contents.byID == nil {
		s.contents.byID = map[string]*content{}
	}
	if s.contents.byID[added.MessageID] != nil {
		return "", fmt.Errorf("linesim: message %s has content already", added.MessageID)
	}
	s.contents.byID[added.MessageID] = &content{Content: added, channel: c, ready: s.Now().Add(added.Prepare)}
	return added.MessageID, nil
}

// Unsend takes a message back: its content is gone.
func (s *Simulator) Unsend(messageID string) error {
	s.contents.mu.Lock()
	defer s.contents.mu.Unlock()
	found := s.contents.byID[messageID]
	if found == nil {
		return errors.New("linesim: no such message")
	}
	found.gone = true
	found.Data, found.Preview = nil, nil
	return nil
}

// content returns a copy of the content that the path names.
func (c *call) content() (content, answer, bool) {
	all := &c.sim.contents
	all.mu.RLock()
	defer all.mu.RUnlock()
	found := all.byID[c.params[0]]
	switch {
	case found == nil || found.channel != c.channel:
		return content{}, refuse(http.StatusNotFound, "not found"), false
	case found.gone:
		return content{}, refuse(http.StatusGone, "The content is gone"), false
	}
	return *found, answer{}, true
}

// download serves content and preview: 202 with no body until it is ready
// (https://developers.line.biz/en/reference/messaging-api/#get-content).
func (c *call) download(pick func(content) (mediaType string, data []byte)) answer {
	found, refusal, ok := c.content()
	if !ok {
		return refusal
	}
	mediaType, data := pick(found)
	switch {
	case data == nil || found.Failed && !c.now.Before(found.ready):
		return refuse(http.StatusNotFound, "not found")
	case c.now.Before(found.ready):
		return answer{status: http.StatusAccepted}
	}
	return answer{status: http.StatusOK, body: data, mediaType: mediaType}
}

func (c *call) messageContent() answer {
	return c.download(func(found content) (string, []byte) { return found.MediaType, found.Data })
}

func (c *call) messagePreview() answer {
	return c.download(func(found content) (string, []byte) { return "image/jpeg", found.Preview })
}

func (c *call) transcoding() answer {
	found, refusal, ok := c.content()
	if !ok {
		return refusal
	}
	status := "succeeded"
	switch {
	case c.now.Before(found.ready):
		status = "processing"
	case found.Failed:
		status = "failed"
	}
	return jsonAnswer(http.StatusOK, struct {
		Status string `json:"status"`
	}{status})
}
