package lineapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// OAuthConfig says where tokens are issued; the zero value is LINE itself.
type OAuthConfig struct {
	Origin     string       // as in Config
	HTTPClient *http.Client // as in Config
}

// OAuth issues, verifies and revokes channel access tokens: stateless ones and those of version 2.1
// (https://developers.line.biz/en/docs/basics/channel-access-token/). It is safe for concurrent use.
type OAuth struct {
	origin string
	http   *http.Client
}

// NewOAuth checks cfg, without any request.
func NewOAuth(cfg OAuthConfig) (*OAuth, error) {
	api, err := origin("Origin", cfg.Origin, DefaultOrigin)
	if err != nil {
		return nil, err
	}
	return &OAuth{origin: api, http: withoutRedirects(cfg.HTTPClient)}, nil
}

// IssuedToken is a new channel access token.
type IssuedToken struct {
	AccessToken string
	ExpiresIn   time.Duration
	KeyID       string // of a v2.1 token: names it in KeyIDs
}

// VerifiedToken is what LINE knows of a v2.1 token that is valid.
type VerifiedToken struct {
	ClientID  string // the channel's id
	ExpiresIn time.Duration
	Scope     string
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// IssueStateless issues a stateless token from the channel's id and secret. It lives 15 minutes and can't be revoked;
// LINE doesn't limit their number.
func (o *OAuth) IssueStateless(ctx context.Context, channelID, channelSecret string) (IssuedToken, error) {
	return o.issue(ctx, endpoint.IssueStatelessChannelToken, url.Values{
		"client_id": {channelID}, "client_secret": {channelSecret},
	})
}

// IssueStatelessByJWT issues a stateless token from an assertion of [AssertionKey.Sign].
func (o *OAuth) IssueStatelessByJWT(ctx context.Context, assertion string) (IssuedToken, error) {
	return o.issue(ctx, endpoint.IssueStatelessChannelToken, url.Values{
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	})
}

// IssueByJWT issues a v2.1 token. A channel can have 30; LINE refuses the next one.
func (o *OAuth) IssueByJWT(ctx context.Context, assertion string) (IssuedToken, error) {
	return o.issue(ctx, endpoint.IssueChannelTokenByJWT, url.Values{
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	})
}

// KeyIDs lists the key ids of the channel's valid v2.1 tokens.
func (o *OAuth) KeyIDs(ctx context.Context, assertion string) ([]string, error) {
	var body struct {
		KeyIDs []string `json:"kids"`
	}
	err := o.call(ctx, call{
		endpoint: endpoint.GetsAllValidChannelAccessTokenKeyIds,
		query:    url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}},
		secrets:  []string{assertion},
	}, &body)
	return body.KeyIDs, err
}

// Verify asks what a v2.1 token is. LINE's 400 says that it isn't valid.
func (o *OAuth) Verify(ctx context.Context, accessToken string) (VerifiedToken, error) {
	var body struct {
		ClientID  string `json:"client_id"`
		ExpiresIn int64  `json:"expires_in"`
		Scope     string `json:"scope"`
	}
	err := o.call(ctx, call{
		endpoint: endpoint.VerifyChannelTokenByJWT,
		query:    url.Values{"access_token": {accessToken}},
		secrets:  []string{accessToken},
	}, &body)
	return VerifiedToken{body.ClientID, seconds(body.ExpiresIn), body.Scope}, err
}

// Revoke ends a v2.1 token. A repeat is harmless.
func (o *OAuth) Revoke(ctx context.Context, channelID, channelSecret, accessToken string) error {
	return o.call(ctx, formCall(endpoint.RevokeChannelTokenByJWT, url.Values{
		"client_id": {channelID}, "client_secret": {channelSecret}, "access_token": {accessToken},
	}), nil)
}

func (o *OAuth) issue(ctx context.Context, e endpoint.Endpoint, form url.Values) (IssuedToken, error) {
	form.Set("grant_type", "client_credentials")
	var body struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		KeyID       string `json:"key_id"`
	}
	if err := o.call(ctx, formCall(e, form), &body); err != nil {
		return IssuedToken{}, err
	}
	if body.AccessToken == "" || body.ExpiresIn <= 0 {
		return IssuedToken{}, &Error{Operation: e.Operation, Status: e.OK, Reason: Unknown,
			Message: "the answer has no access_token, or no expires_in"}
	}
	return IssuedToken{body.AccessToken, seconds(body.ExpiresIn), body.KeyID}, nil
}

func formCall(e endpoint.Endpoint, form url.Values) call {
	k := call{endpoint: e, contentType: "application/x-www-form-urlencoded", body: []byte(form.Encode())}
	for _, name := range []string{"client_secret", "client_assertion", "access_token"} {
		k.secrets = append(k.secrets, form.Get(name))
	}
	return k
}

// call makes a call without a bearer token. A nil v leaves the answer's body alone.
func (o *OAuth) call(ctx context.Context, k call, v any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	ctx, way := watched(ctx)
	req, err := k.request(ctx, o.origin)
	if err != nil {
		return err
	}
	resp, err := exchange(o.http, req, way, k.endpoint.Operation, k.secrets, k.content)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := readUpTo(resp.Body, maxAnswer)
	if v == nil {
		return nil
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body, unread: err}.decode(k.endpoint.Operation, v)
}

// seconds is a life in seconds, of at most a year: what is longer can't be right and would overflow.
func seconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 365*24*60*60)) * time.Second
}
