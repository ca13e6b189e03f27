package linesim

import (
	"net/http"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	grantType     = "client_credentials"
)

var (
	missingParameter = refuseOAuth(http.StatusBadRequest, "invalid_request", "some parameters missed or invalid")
	invalidClient    = refuseOAuth(http.StatusBadRequest, "invalid_client", "Invalid client_id or client_secret")
	revoked          = answer{status: http.StatusOK} // LINE's answer has no body
)

// client finds the channel of a client_id and client_secret.
func (c *call) client() (answer, bool) {
	channel, err := c.sim.channel(c.form.Get("client_id"))
	if err != nil || channel.Secret == "" || channel.Secret != c.form.Get("client_secret") {
		return invalidClient, false
	}
	c.channel = channel
	refusal, refused := c.admit()
	return refusal, !refused
}

type issued struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	TokenType   string `json:"token_type"`
	KeyID       string `json:"key_id,omitempty"`
}

func (c *call) issueToken(kind tokenKind, life time.Duration) answer {
	secret, tok, ok := c.sim.issue(c.channel, kind, life, c.now)
	if !ok {
		return refuseOAuth(http.StatusBadRequest, "invalid_request",
			"The maximum number of access tokens has already been issued")
	}
	return jsonAnswer(http.StatusOK, issued{secret, int64(life / time.Second), "Bearer", tok.keyID})
}

func (c *call) issueShortLived() answer {
	if c.form.Get("grant_type") != grantType {
		return missingParameter
	}
	if refusal, ok := c.client(); !ok {
		return refusal
	}
	return c.issueToken(shortLived, shortLife)
}

func (c *call) issueStateless() answer {
	if c.form.Get("grant_type") != grantType {
		return missingParameter
	}
	if c.form.Get("client_assertion") != "" {
		if _, refusal, ok := c.assertion(c.form); !ok {
			return refusal
		}
	} else if refusal, ok := c.client(); !ok {
		return refusal
	}
	return c.issueToken(stateless, statelessLife)
}

func (c *call) issueByAssertion() answer {
	if c.form.Get("grant_type") != grantType {
		return missingParameter
	}
	claims, refusal, ok := c.assertion(c.form)
	if !ok {
		return refusal
	}
	life := time.Duration(claims.TokenExp) * time.Second
	if claims.TokenExp <= 0 || claims.TokenExp > int64(maxLife/time.Second) {
		return refuseOAuth(http.StatusBadRequest, "invalid_request", "Invalid token_exp")
	}
	return c.issueToken(byAssertion, life)
}

func (c *call) keyIDs() answer {
	if _, refusal, ok := c.assertion(c.r.URL.Query()); !ok {
		return refusal
	}
	return jsonAnswer(http.StatusOK, struct {
		KeyIDs []string `json:"kids"`
	}{c.sim.tokens.keyIDs(c.channel, c.now)})
}

// verify answers for tokens of the given kinds. A long-lived token, which never expires, shows the rest of a century.
func (c *call) verify(secret, scope string, kinds ...tokenKind) answer {
	tok, reason := c.sim.tokens.lookup(secret, c.now)
	right := false
	for _, kind := range kinds {
		right = right || reason == "" && tok.kind == kind
	}
	if !right {
		return refuseOAuth(http.StatusBadRequest, "invalid_request", "access token expired")
	}
	c.channel = tok.channel
	if refusal, refused := c.admit(); refused {
		return refusal
	}
	left := 100 * 365 * 24 * time.Hour
	if !tok.expires.IsZero() {
		left = tok.expires.Sub(c.now)
	}
	return jsonAnswer(http.StatusOK, struct {
		ClientID  string `json:"client_id"`
		ExpiresIn int64  `json:"expires_in"`
		Scope     string `json:"scope"`
	}{tok.channel.ID, int64(left / time.Second), scope})
}

func (c *call) verifyToken() answer {
	return c.verify(c.form.Get("access_token"), "P CM", longLived, shortLived)
}

func (c *call) verifyByAssertion() answer {
	return c.verify(c.r.URL.Query().Get("access_token"), "profile chat_message.write", byAssertion)
}

// revokeToken can't touch stateless tokens: nothing can
// (https://developers.line.biz/en/docs/basics/channel-access-token/). A token that doesn't exist is as good as revoked.
func (c *call) revokeToken() answer {
	secret := c.form.Get("access_token")
	if secret == "" {
		return missingParameter
	}
	if tok, reason := c.sim.tokens.lookup(secret, c.now); reason == "" {
		c.channel = tok.channel
		if refusal, refused := c.admit(); refused {
			return refusal
		}
	}
	c.sim.tokens.revoke(secret, longLived, shortLived)
	return revoked
}

func (c *call) revokeByAssertion() answer {
	secret := c.form.Get("access_token")
	if secret == "" {
		return missingParameter
	}
	if refusal, ok := c.client(); !ok {
		return refusal
	}
	if tok, reason := c.sim.tokens.lookup(secret, c.now); reason == "" && tok.channel == c.channel {
		c.sim.tokens.revoke(secret, byAssertion)
	}
	return revoked
}
