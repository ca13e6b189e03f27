package lineapi

import (
	"crypto/rsa"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// AssertionKey signs the JWT that stands in for the channel secret
// (https://developers.line.biz/en/docs/messaging-api/generate-json-web-token/).
type AssertionKey struct {
	ChannelID  string
	KeyID      string // LINE's kid for the public key
	PrivateKey *rsa.PrivateKey
}

const (
	assertionLife = 30 * time.Minute    // LINE accepts no longer one
	maxTokenLife  = 30 * 24 * time.Hour // of a v2.1 token
)

// Sign makes an assertion that is good for 30 minutes. TokenLife is how long a v2.1 token shall live, in whole seconds up
// to 30 days; 0 leaves it out, as a stateless token and the list of key ids want.
func (k AssertionKey) Sign(tokenLife time.Duration) (string, error) {
	switch {
	case k.ChannelID == "":
		return "", errors.New("lineapi: AssertionKey.ChannelID is empty")
	case k.KeyID == "":
		return "", errors.New("lineapi: AssertionKey.KeyID is empty")
	case k.PrivateKey == nil:
		return "", errors.New("lineapi: AssertionKey.PrivateKey is nil")
	case tokenLife < 0 || tokenLife > maxTokenLife || tokenLife%time.Second != 0:
		return "", errors.New("lineapi: the life of a token is whole seconds up to 30 days")
	}
	claims := jwt.MapClaims{
		"iss": k.ChannelID,
		"sub": k.ChannelID,
		"aud": "https://api.line.me/",
		"exp": time.Now().Add(assertionLife).Unix(),
	}
	if tokenLife > 0 {
		claims["token_exp"] = int64(tokenLife / time.Second)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = k.KeyID
	return t.SignedString(k.PrivateKey)
}
