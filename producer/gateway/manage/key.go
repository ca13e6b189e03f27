package manage

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Scope is what a key may do.
type Scope string

const (
	Send    Scope = "send"    // make campaigns, start tasks again
	Read    Scope = "read"    // look at everything
	Operate Scope = "operate" // cancel, pause, resume and hold
)

// Key is one of a caller's. The key itself isn't kept.
type Key struct {
	Name   string // stands in logs, and in holds as who held
	SHA256 string // of the key, in hexadecimal
	Scopes []Scope
}

func checkKeys(keys []Key) error {
	names := map[string]bool{}
	for i, k := range keys {
		switch sum, err := hex.DecodeString(k.SHA256); {
		case k.Name == "":
			return fmt.Errorf("manage: key %d has no name", i+1)
		case names[k.Name]:
			return fmt.Errorf("manage: there are two keys %.40q", k.Name)
		case err != nil || len(sum) != sha256.Size:
			return fmt.Errorf("manage: key %.40q: sha256 is not 64 hexadecimal digits", k.Name)
		case len(k.Scopes) == 0:
			return fmt.Errorf("manage: key %.40q has no scopes", k.Name)
		}
		names[k.Name] = true
		for _, s := range k.Scopes {
			if s != Send && s != Read && s != Operate {
				return fmt.Errorf("manage: key %.40q: there is no scope %.40q; they are send, read and operate", k.Name, s)
			}
		}
	}
	return nil
}

// keyOf finds the key of a request, in the same time for each that is tried.
func (a *API) keyOf(r *http.Request) (Key, bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		secret = ""
	}
	hash := sha256.Sum256([]byte(secret))
	given := []byte(hex.EncodeToString(hash[:]))
	found := -1
	keys := a.access.Load().keys
	for i, k := range keys {
		same := subtle.ConstantTimeCompare([]byte(strings.ToLower(k.SHA256)), given)
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 || secret == "" {
		return Key{}, false
	}
	return keys[found], true
}

// handler answers a request, or says why it can't.
type handler func(w http.ResponseWriter, r *http.Request) error

var errNoKey = errors.New("the bearer token in the authorization header is no API key")

// may lets those call h whose key has the scope.
func (a *API) may(s Scope, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k, known := a.keyOf(r)
		switch {
		case !known:
			w.Header().Set("WWW-Authenticate", `Bearer realm="lineq"`)
			a.fail(w, r, problem{Status: http.StatusUnauthorized, Detail: errNoKey.Error()})
			return
		case !slices.Contains(k.Scopes, s):
			a.fail(w, r, problem{Status: http.StatusForbidden, Detail: "this needs a key with the scope " + string(s)})
			return
		}
		if err := h(w, r.WithContext(withKey(r.Context(), k))); err != nil {
			a.fail(w, r, problemOf(err))
		}
	})
}
