package linesim

import (
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

// retryKeyLife is how long LINE remembers a key
// (https://developers.line.biz/en/docs/messaging-api/retrying-api-request/).
const retryKeyLife = 24 * time.Hour

type retryKey [16]byte

// parseRetryKey takes a UUID in its usual form, of any version, in either case.
func parseRetryKey(s string) (k retryKey, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]))
	return k, err == nil
}

// accepted is what a key remembers of the request that used it.
type accepted struct {
	at   int64 // Unix nanoseconds
	body [16]byte
	sent sent
}

// retryKeys holds the keys of one channel and endpoint.
type retryKeys struct {
	mu       sync.Mutex
	accepted map[retryKey]accepted
	sweep    int // size at which expired keys are looked for
}

// once lets accept run unless the call's key was accepted before. The lock is held over accept, so of two requests with
// one key in flight at most one is accepted.
func (c *call) once(accept func() (sent, answer, bool)) answer {
	if !c.keyed {
		_, a, _ := accept()
		return a
	}
	keys := c.channel.keys[c.route.Operation]
	body := [16]byte(digest(c.body))
	keys.mu.Lock()
	defer keys.mu.Unlock()
	if before, ok := keys.accepted[c.key]; ok && before.live(c.now) {
		if before.body != body {
			c.sim.stats.retryKeysReused.Add(1)
		}
		c.sim.stats.replayed.Add(1)
		return c.conflict(before.sent)
	}
	s, a, ok := accept()
	if ok {
		keys.add(c.key, accepted{at: c.now.UnixNano(), body: body, sent: s}, c.now)
	}
	return a
}

func (a accepted) live(now time.Time) bool { return now.UnixNano()-a.at < int64(retryKeyLife) }

func (k *retryKeys) add(key retryKey, a accepted, now time.Time) {
	if len(k.accepted) > k.sweep {
		for old, a := range k.accepted {
			if !a.live(now) {
				delete(k.accepted, old)
			}
		}
		k.sweep = 2*len(k.accepted) + 1000
	}
	k.accepted[key] = a
}

// conflict is LINE's answer to a key that was accepted already. Only push repeats what it sent.
func (c *call) conflict(before sent) answer {
	a := answer{status: http.StatusConflict, acceptedID: c.sim.requestID(before.request)}
	a.body = []byte(`{"message":"` + textAccepted + `"}`)
	if c.route.Operation == "pushMessage" {
		a.body = append(a.body[:len(a.body)-1], ',')
		a.body = c.sim.appendSentMessages(a.body, before)
		a.body = append(a.body, '}')
	}
	return a
}
