package linesim

import (
	"errors"
	"sync"
	"time"
)

// replyTokenLife is what LINE grants at least
// (https://developers.line.biz/en/reference/messaging-api/#send-reply-message-reply-token).
const replyTokenLife = time.Minute

type replyTokens struct {
	mu    sync.Mutex
	live  map[string]replyToken
	sweep int
}

type replyToken struct {
	to      recipientID
	expires time.Time
}

func (t *replyTokens) init() { t.live = map[string]replyToken{} }

// redeem uses a token up.
func (t *replyTokens) redeem(token string, now time.Time) (to recipientID, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.live[token]
	delete(t.live, token)
	return r.to, ok && now.Before(r.expires)
}

// NewReplyToken makes the reply token that an event from a user, group or room would bring. It can be used once, within a
// minute.
func (s *Simulator) NewReplyToken(channelID, source string) (string, error) {
	c, err := s.channel(channelID)
	if err != nil {
		return "", err
	}
	to, ok := parseRecipient(source)
	if !ok {
		return "", errors.New("linesim: not the ID of a user, group or room")
	}
	token, now := s.hex("reply", s.serial.Add(1)), s.Now()
	c.replies.mu.Lock()
	defer c.replies.mu.Unlock()
	if len(c.replies.live) > c.replies.sweep {
		for old, r := range c.replies.live {
			if !now.Before(r.expires) {
				delete(c.replies.live, old)
			}
		}
		c.replies.sweep = 2*len(c.replies.live) + 1000
	}
	c.replies.live[token] = replyToken{to: to, expires: now.Add(replyTokenLife)}
	return token, nil
}
