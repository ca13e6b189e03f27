package lineapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// TokenSource gives the channel access token for a request. Token is called once for each request, by many goroutines at
// once, so it should remember its token. Its error must not hold a secret.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// Renewer is a TokenSource that can get another token. The client calls Renew when LINE answers a token with 401: the
// next Token must fetch a new one. Renew makes no request itself, and does nothing if refused was replaced already.
type Renewer interface {
	TokenSource
	Renew(refused string)
}

// StaticToken is a token that stays, such as a long-lived one of LINE's console. Space around it is taken off.
func StaticToken(token string) TokenSource { return staticToken(hide(strings.TrimSpace(token))) }

type staticToken secret

func (t staticToken) Token(context.Context) (string, error) { return t(), nil }

// secret keeps a string where printing a struct of any depth shows an address only: fmt calls no String method on
// unexported fields.
type secret func() string

func hide(s string) secret { return func() string { return s } }

// CanRenewToken tells whether a 401 may pass with a new token, so that trying again makes sense.
func (c *Client) CanRenewToken() bool {
	_, ok := c.token.(Renewer)
	return ok
}

// StatelessConfig is what a [StatelessToken] needs: the channel's id and secret, from LINE's console, or instead of the
// secret the private key of an assertion signing key that is registered there.
type StatelessConfig struct {
	ChannelID     string
	ChannelSecret string
	Key           *AssertionKey // its ChannelID may be empty
	Origin        string        // as in Config
	HTTPClient    *http.Client  // as in Config
}

// StatelessToken issues stateless channel access tokens, which live 15 minutes and aren't counted by LINE
// (https://developers.line.biz/en/docs/basics/channel-access-token/#stateless-channel-access-token). It is safe for
// concurrent use, renews a token before its end and has one renewal in flight at a time.
type StatelessToken struct {
	oauth  *OAuth
	id     string
	secret secret
	key    *AssertionKey // instead of the secret

	mu      sync.Mutex
	token   secret    // nil before the first, and when LINE refused it
	renewAt time.Time // from here on one caller fetches the next token
	endsAt  time.Time // until here the others may use this one
	flight  *renewal  // nil while nobody fetches
}

type renewal struct {
	done chan struct{}
	err  error // set before done is closed
}

const (
	// renewBefore is when the renewal starts: it leaves LINE's token endpoint three minutes to come back.
	renewBefore = 3 * time.Minute
	// usableUntil keeps a token from ending while its request is on the way.
	usableUntil = 30 * time.Second
	// renewPause follows a renewal that failed while the old token was still good.
	renewPause = 10 * time.Second
)

// NewStatelessToken checks cfg, without any request.
func NewStatelessToken(cfg StatelessConfig) (*StatelessToken, error) {
	if cfg.ChannelID == "" {
		return nil, errors.New("lineapi: StatelessConfig.ChannelID is empty")
	}
	s := &StatelessToken{id: cfg.ChannelID, secret: hide(cfg.ChannelSecret)}
	switch {
	case cfg.Key != nil && cfg.ChannelSecret != "":
		return nil, errors.New("lineapi: StatelessConfig has a ChannelSecret and a Key: one of them is enough")
	case cfg.Key != nil:
		key := *cfg.Key
		if key.ChannelID = cmp.Or(key.ChannelID, cfg.ChannelID); key.ChannelID != cfg.ChannelID {
			return nil, errors.New("lineapi: StatelessConfig.Key is another channel's")
		}
		if _, err := key.Sign(0); err != nil {
			return nil, err
		}
		s.key = &key
	case cfg.ChannelSecret == "":
		return nil, errors.New("lineapi: StatelessConfig has no ChannelSecret and no Key")
	}
	var err error
	s.oauth, err = NewOAuth(OAuthConfig{Origin: cfg.Origin, HTTPClient: cfg.HTTPClient})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Token gives the current token, or fetches one. While a renewal is in flight the old token serves until 30 s before
// its end; a caller that has to wait shares the renewal's outcome.
func (s *StatelessToken) Token(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		usable := s.token != nil && now.Before(s.endsAt)
		if usable && (now.Before(s.renewAt) || s.flight != nil) {
			defer s.mu.Unlock()
			return s.token(), nil
		}
		if s.flight == nil {
			flight := &renewal{done: make(chan struct{})}
			s.flight = flight
			s.mu.Unlock()
			return s.fetch(ctx, flight, now)
		}
		flight := s.flight
		s.mu.Unlock()
		select {
		case <-flight.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		// A renewal that ended with its caller's context says nothing about the next.
		if flight.err != nil && !errors.Is(flight.err, context.Canceled) && !errors.Is(flight.err, context.DeadlineExceeded) {
			return "", flight.err
		}
	}
}

// fetch issues a token and ends flight. asked is the time before the request, from which the token's life counts.
func (s *StatelessToken) fetch(ctx context.Context, flight *renewal, asked time.Time) (string, error) {
	issued, err := s.issue(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(flight.done)
	s.flight = nil
	if err != nil {
		if s.token != nil && time.Now().Before(s.endsAt) {
			s.renewAt = time.Now().Add(renewPause)
			return s.token(), nil
		}
		flight.err = err
		return "", err
	}
	// A life much shorter than LINE's 15 minutes keeps the proportions.
	s.token = hide(issued.AccessToken)
	s.renewAt = asked.Add(issued.ExpiresIn - min(renewBefore, issued.ExpiresIn/2))
	s.endsAt = asked.Add(issued.ExpiresIn - min(usableUntil, issued.ExpiresIn/10))
	return s.token(), nil
}

func (s *StatelessToken) issue(ctx context.Context) (IssuedToken, error) {
	if s.key == nil {
		return s.oauth.IssueStateless(ctx, s.id, s.secret())
	}
	assertion, err := s.key.Sign(0)
	if err != nil {
		return IssuedToken{}, err
	}
	return s.oauth.IssueStatelessByJWT(ctx, assertion)
}

// Renew drops refused, so that the next Token fetches another. It does nothing if refused isn't the current token.
func (s *StatelessToken) Renew(refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil && s.token() == refused {
		s.token = nil
	}
}
