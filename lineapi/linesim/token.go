package linesim

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

type tokenKind byte

const (
	longLived tokenKind = iota
	shortLived
	byAssertion // "v2.1"
	stateless
)

// Lives and limits of https://developers.line.biz/en/docs/basics/channel-access-token/.
const (
	shortLife     = 30 * 24 * time.Hour
	statelessLife = 15 * time.Minute
	maxLife       = 30 * 24 * time.Hour // of a v2.1 token
	maxTokens     = 30                  // live ones of a channel, of the short-lived and of the v2.1 kind each
)

type token struct {
	channel *channel
	kind    tokenKind
	issued  uint64    // order of issue
	expires time.Time // zero: never
	keyID   string    // of a v2.1 token
}

type tokens struct {
	mu   sync.RWMutex
	live map[string]token
}

func newTokens() *tokens { return &tokens{live: map[string]token{}} }

// add enters a token, unless it exists.
func (t *tokens) add(secret string, tok token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.live[secret]; ok {
		return false
	}
	t.live[secret] = tok
	return true
}

// lookup finds a token that is valid now; the reason says why there is none.
func (t *tokens) lookup(secret string, now time.Time) (tok token, reason string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	tok, ok := t.live[secret]
	switch {
	case !ok:
		return token{}, "invalid token"
	case !tok.expires.IsZero() && !now.Before(tok.expires):
		return token{}, "The access token expired"
	}
	return tok, ""
}

// issue makes a token. It forgets expired ones, and then follows LINE's limits: the oldest short-lived token dies, a v2.1
// token is refused.
func (s *Simulator) issue(
	c *channel, kind tokenKind, life time.Duration, now time.Time,
) (secret string, tok token, ok bool) {
	n := s.serial.Add(1)
	secret = s.opaque("token", n) + s.opaque("token tail", n)
	tok = token{channel: c, kind: kind, issued: n, expires: now.Add(life)}
	if kind == byAssertion {
		tok.keyID = s.opaque("key", n)[:22]
	}
	t := s.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	var same []string
	for secret, other := range t.live {
		if !other.expires.IsZero() && !now.Before(other.expires) {
			delete(t.live, secret)
		} else if other.channel == c && other.kind == kind {
			same = append(same, secret)
		}
	}
	if len(same) >= maxTokens {
		switch kind {
		case shortLived:
			oldest := slices.MinFunc(same, func(a, b string) int { return cmp.Compare(t.live[a].issued, t.live[b].issued) })
			delete(t.live, oldest)
		case byAssertion:
			return "", token{}, false
		}
	}
	t.live[secret] = tok
	return secret, tok, true
}

// keyIDs lists a channel's live v2.1 tokens in the order of their issue.
func (t *tokens) keyIDs(c *channel, now time.Time) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var live []token
	for _, tok := range t.live {
		if tok.channel == c && tok.kind == byAssertion && now.Before(tok.expires) {
			live = append(live, tok)
		}
	}
	slices.SortFunc(live, func(a, b token) int { return cmp.Compare(a.issued, b.issued) })
	ids := make([]string, len(live))
	for i, tok := range live {
		ids[i] = tok.keyID
	}
	return ids
}

// revoke ends a token of one of the kinds.
func (t *tokens) revoke(secret string, kinds ...tokenKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tok, ok := t.live[secret]; ok && slices.Contains(kinds, tok.kind) {
		delete(t.live, secret)
	}
}
