package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/producer/gateway/manage"
)

const (
	// sessionTime is how long one stays logged in.
	sessionTime = 12 * time.Hour
	cookieName  = "lineq_session"
)

// people are those who may log in, and their sessions. A session is a random token in the browser's cookie; Redis has its
// hash, so that every process knows it, and which key it was opened with: without the key in the configuration it is over.
type people struct {
	rdb  redis.UniversalClient
	keys []manage.Key
	sums [][sha256.Size]byte // of each key: what a session keeps of it
}

func newPeople(rdb redis.UniversalClient, keys []manage.Key) people {
	p := people{rdb: rdb, keys: keys}
	for _, k := range keys {
		p.sums = append(p.sums, sha256.Sum256([]byte("session of "+k.Name+" "+strings.ToLower(k.SHA256))))
	}
	return p
}

// byKey finds the key that was typed in, in the same time for each that is tried; -1: it is none.
func (p people) byKey(typed string) int {
	sum := sha256.Sum256([]byte(typed))
	given, found := []byte(hex.EncodeToString(sum[:])), -1
	for i, k := range p.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare([]byte(strings.ToLower(k.SHA256)), given), i, found)
	}
	return found
}

func sessionKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "lineq:session:" + hex.EncodeToString(sum[:])
}

// open begins a session of the i-th key.
func (p people) open(ctx context.Context, i int) (token string, err error) {
	token = rand.Text() + rand.Text()
	return token, p.rdb.Set(ctx, sessionKey(token), p.sums[i][:], sessionTime).Err()
}

// close ends a session.
func (p people) close(ctx context.Context, token string) error {
	return p.rdb.Del(ctx, sessionKey(token)).Err()
}

var errNoSession = errors.New("no session")

// by finds whose a session is, or fails with errNoSession.
func (p people) by(ctx context.Context, token string) (manage.Key, error) {
	if token == "" || len(token) > 100 {
		return manage.Key{}, errNoSession
	}
	sum, err := p.rdb.Get(ctx, sessionKey(token)).Bytes()
	if errors.Is(err, redis.Nil) {
		return manage.Key{}, errNoSession
	}
	if err != nil {
		return manage.Key{}, err
	}
	for i := range p.sums {
		if subtle.ConstantTimeCompare(p.sums[i][:], sum) == 1 {
			return p.keys[i], nil
		}
	}
	return manage.Key{}, errNoSession
}

// visit is one request of somebody who has logged in.
type visit struct {
	*http.Request
	// Root leads from this page to /lineq/, as ../ and so on.
	Root    string
	Key     manage.Key
	session string
}

// May tells whether the visitor's key has a scope.
func (v *visit) May(s manage.Scope) bool { return slices.Contains(v.Key.Scopes, s) }

// rootOf leads from a path to /lineq/.
func rootOf(r *http.Request) string {
	return "./" + strings.Repeat("../", strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), root), "/"))
}

func tokenOf(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// may lets those through who have logged in with a key that has the scope; the others it lets log in, or tells why not.
func (d *Dashboard) may(s manage.Scope, h func(http.ResponseWriter, *http.Request, *visit)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, Root: rootOf(r), session: tokenOf(r)}
		var err error
		v.Key, err = within(r.Context(), func(ctx context.Context) (manage.Key, error) { return d.access.Load().by(ctx, v.session) })
		switch {
		case errors.Is(err, errNoSession) && wantsEvents(r):
			over(w)
		case errors.Is(err, errNoSession):
			goTo(w, v.Root+"login"+wayBack(r))
		case err != nil:
			d.fail(w, v, err)
		case !v.May(s):
			d.fail(w, v, problem{http.StatusForbidden, "This needs a key with the scope " + string(s) + ". Yours, " + v.Key.Name + ", doesn't have it."})
		default:
			h(w, r, v)
		}
	})
}

// wayBack is the query of the login page that leads back to where one wanted to go.
func wayBack(r *http.Request) string {
	at := strings.TrimPrefix(r.URL.RequestURI(), root)
	if r.Method != http.MethodGet || at == "" || !strings.HasPrefix(r.URL.Path, root) {
		return ""
	}
	return "?to=" + url.QueryEscape(at)
}

// backTo is the place that wayBack told of, if it is one of ours.
func backTo(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(to, "/") || strings.ContainsAny(to, "\\\r\n") {
		return "./"
	}
	return "./" + to
}

// loginView is what the login page shows.
type loginView struct {
	To    string
	Wrong string
	Keys  bool // there is one at all
}

func (d *Dashboard) showLogin(w http.ResponseWriter, r *http.Request) {
	d.renderLogin(w, r, http.StatusOK, loginView{To: r.URL.Query().Get("to")})
}

func (d *Dashboard) renderLogin(w http.ResponseWriter, r *http.Request, status int, l loginView) {
	l.Keys = len(d.access.Load().keys) > 0
	d.render(w, status, "login", &frame{Root: rootOf(r), Data: l})
}

// maxTyped bounds the key that is typed in.
const maxTyped = 1 << 10

func (d *Dashboard) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	l := loginView{To: r.PostFormValue("to")}
	from := addressOf(r)
	if wait := d.guesses.wait(from, time.Now()); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		l.Wrong = "Too many wrong keys came from your address. Try again in a minute."
		d.renderLogin(w, r, http.StatusTooManyRequests, l)
		return
	}
	typed := r.PostFormValue("key")
	known := d.access.Load()
	i := -1
	if typed != "" && len(typed) <= maxTyped {
		i = known.byKey(typed)
	}
	if i < 0 {
		d.guesses.wrong(from, time.Now())
		d.cfg.Log.Warn("a wrong key at the dashboard's login", zap.String("from", from))
		l.Wrong = "This is no API key of this lineq."
		d.renderLogin(w, r, http.StatusUnauthorized, l)
		return
	}
	if !slices.Contains(known.keys[i].Scopes, manage.Read) {
		l.Wrong = "This key may not read. The dashboard needs one with the scope read."
		d.renderLogin(w, r, http.StatusForbidden, l)
		return
	}
	token, err := within(r.Context(), func(ctx context.Context) (string, error) { return known.open(ctx, i) })
	if err != nil {
		d.fail(w, &visit{Request: r, Root: rootOf(r)}, err)
		return
	}
	d.setCookie(w, r, token, int(sessionTime/time.Second))
	goTo(w, backTo(l.To))
}

// setCookie gives the cookie no path: the browser takes that of /lineq/ as it sees it, whatever stands before it.
func (d *Dashboard) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
}

func (d *Dashboard) logout(w http.ResponseWriter, r *http.Request) {
	token := tokenOf(r)
	if token != "" {
		_, err := within(r.Context(), func(ctx context.Context) (any, error) { return nil, d.access.Load().close(ctx, token) })
		if err != nil {
			d.fail(w, &visit{Request: r, Root: rootOf(r)}, err)
			return
		}
		d.hub.leave(token)
	}
	d.setCookie(w, r, "", -1)
	goTo(w, "login")
}
