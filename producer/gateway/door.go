package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/lineq/lineq/lineapi"
)

// channel is one that a caller calls for.
type channel struct {
	name  string
	token lineapi.TokenSource
}

// door knows callers by the hashes of their bearer tokens. It never changes once it is in use: another takes its place.
type door struct {
	hashes   [][sha256.Size]byte
	channels []*channel // of each hash
}

func (d *door) add(name string, c Channel) error {
	if c.Token == nil {
		return errors.New("Channel.Token is missing")
	}
	if len(c.CallerTokens) == 0 {
		return errors.New("Channel.CallerTokens is empty: nobody could call")
	}
	known := &channel{name, c.Token}
	for _, token := range c.CallerTokens {
		if token == "" || strings.ContainsAny(token, " \t\r\n") {
			return errors.New("a token of its callers is empty or holds white space")
		}
		if other := d.lookUp(token); other != nil && other != known {
			return errors.New("a token of its callers is that of the channel " + other.name)
		}
		d.hashes, d.channels = append(d.hashes, sha256.Sum256([]byte(token))), append(d.channels, known)
	}
	return nil
}

// lookUp takes the same time for every token of a length, known or not.
func (d *door) lookUp(token string) *channel {
	hash := sha256.Sum256([]byte(token))
	found := -1
	for i := range d.hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(d.hashes[i][:], hash[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return d.channels[found]
}

// caller finds the channel that a request is for, or LINE's words for there being none.
func (d *door) caller(r *http.Request) (*channel, string) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil, "missing token"
	}
	if c := d.lookUp(token); c != nil {
		return c, ""
	}
	return nil, "invalid token"
}
