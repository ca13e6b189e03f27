package linesim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// claims are those of a JWT assertion
// (https://developers.line.biz/en/docs/messaging-api/generate-json-web-token/).
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	TokenExp int64    `json:"token_exp"` // seconds a v2.1 token shall live
}

// audience is one string or several (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

const (
	assertionAudience = "https://api.line.me/"
	maxAssertionLife  = 30 * time.Minute
)

// assertion finds the channel of a JWT assertion and checks it.
func (c *call) assertion(parameters url.Values) (claims, answer, bool) {
	if parameters.Get("client_assertion_type") != assertionType {
		return claims{}, missingParameter, false
	}
	invalid := func(why string) (claims, answer, bool) {
		return claims{}, refuseOAuth(http.StatusBadRequest, "invalid_client", why), false
	}
	parts := strings.Split(parameters.Get("client_assertion"), ".")
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
	}
	var body claims
	if len(parts) != 3 || !decodePart(parts[0], &header) || !decodePart(parts[1], &body) {
		return invalid("Invalid client_assertion")
	}
	if header.Algorithm != "RS256" || header.KeyID == "" {
		return invalid("Invalid alg or kid of client_assertion")
	}
	channel, err := c.sim.channel(body.Issuer)
	if err != nil || body.Subject != body.Issuer {
		return invalid("Invalid iss or sub of client_assertion")
	}
	if !slices.Contains(body.Audience, assertionAudience) {
		return invalid("Invalid aud of client_assertion")
	}
	if expires := time.Unix(body.Expires, 0); !c.now.Before(expires) || expires.Sub(c.now) > maxAssertionLife {
		return invalid("Invalid exp of client_assertion")
	}
	if len(channel.AssertionKeys) > 0 && !signed(channel.AssertionKeys[header.KeyID], parts) {
		return invalid("Invalid signature of client_assertion")
	}
	c.channel = channel
	if refusal, refused := c.admit(); refused {
		return claims{}, refusal, false
	}
	return body, answer{}, true
}

func decodePart(part string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, v) == nil
}

func signed(key *rsa.PublicKey, parts []string) bool {
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || key == nil {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}
