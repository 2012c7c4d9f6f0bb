package redox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// bearer is a credential that stands in Authorization: Bearer. A token is fetched when it is needed and used until shortly before it
// expires; requests that need one at once fetch one.
type bearer struct {
	fetch func(ctx context.Context, client *http.Client) (grant, error)
	clock func() time.Time

	mu      sync.Mutex
	token   string
	expires time.Time
}

// grant is a token and how long it lasts.
type grant struct {
	token   string
	expires time.Duration
}

func (b *bearer) authorize(ctx context.Context, client *http.Client, rq *http.Request, _ []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := now(b.clock); b.token == "" || !at.Before(b.expires) {
		g, err := b.fetch(ctx, client)
		if err != nil {
			return fmt.Errorf("get access token: %w", err)
		}
		b.token, b.expires = g.token, at.Add(g.expires*9/10)
	}
	rq.Header.Set("Authorization", "Bearer "+b.token)
	return nil
}

func (b *bearer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token = ""
}

// Bearer is a credential that is always the same token: for tokens that are not as they should be.
func Bearer(token string) Credential {
	return &bearer{fetch: func(context.Context, *http.Client) (grant, error) { return grant{token, 24 * time.Hour}, nil }}
}

// Client is what Redox knows of a client of an OAuth 2.0 token endpoint.
type Client struct {
	TokenURL   string
	ID, Secret string
	InBody     bool       // id and secret stand in the body, in place of HTTP Basic
	JSON       bool       // the body is JSON, in place of a form
	Further    url.Values // such as scope, audience, resource
	Now        func() time.Time
}

// OAuth2 is the strategy OAuth 2.0 two-legged: the client credentials grant of RFC 6749 section 4.4.
func OAuth2(c Client) Credential {
	return &bearer{clock: c.Now, fetch: func(ctx context.Context, client *http.Client) (grant, error) {
		form := url.Values{"grant_type": {"client_credentials"}}
		if c.InBody {
			form.Set("client_id", c.ID)
			form.Set("client_secret", c.Secret)
		}
		for name, values := range c.Further {
			form[name] = values
		}
		rq, err := tokenRequest(ctx, c.TokenURL, form, c.JSON)
		if err != nil {
			return grant{}, err
		}
		if !c.InBody {
			rq.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
		}
		return fetchToken(client, rq)
	}}
}

// Assertion is how Redox signs a JWT for a token endpoint, or as a bearer token.
type Assertion struct {
	TokenURL        string // not of a bearer token
	Key             *Key
	Issuer, Subject string
	Audience        string // default TokenURL
	Scope           string // of a JWT grant it stands in the JWT, of SMART in the form
	Lifetime        time.Duration
	Claims          map[string]any // further ones, and others in place of ours
	Now             func() time.Time
}

// sign makes the JWT. Each has a jti of its own.
func (a *Assertion) sign(lifetime time.Duration, further map[string]any) (string, error) {
	if a.Lifetime != 0 {
		lifetime = a.Lifetime
	}
	audience := a.Audience
	if audience == "" {
		audience = a.TokenURL
	}
	at := now(a.Now)
	claims := map[string]any{"iss": a.Issuer, "aud": audience, "iat": at.Unix(), "exp": at.Add(lifetime).Unix(), "jti": freshID()}
	if a.Subject != "" {
		claims["sub"] = a.Subject
	}
	for _, more := range []map[string]any{further, a.Claims} {
		for name, value := range more {
			claims[name] = value
		}
	}
	return a.Key.Sign(claims)
}

// JWTGrant is the strategy OAuth 2.0 two-legged with JWT bearer, and JWT Bearer read as a grant: RFC 7523 section 2.1.
func JWTGrant(a Assertion) Credential {
	return &bearer{clock: a.Now, fetch: func(ctx context.Context, client *http.Client) (grant, error) {
		further := map[string]any{}
		if a.Scope != "" {
			further["scope"] = a.Scope
		}
		assertion, err := a.sign(time.Hour, further)
		if err != nil {
			return grant{}, err
		}
		rq, err := tokenRequest(ctx, a.TokenURL, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}, false)
		if err != nil {
			return grant{}, err
		}
		return fetchToken(client, rq)
	}}
}

// SMARTBackend is the strategy SMART Backend Services: client credentials with a signed assertion. Issuer is the client id.
func SMARTBackend(a Assertion) Credential {
	return &bearer{clock: a.Now, fetch: func(ctx context.Context, client *http.Client) (grant, error) {
		assertion, err := a.sign(5*time.Minute, map[string]any{"sub": a.Issuer})
		if err != nil {
			return grant{}, err
		}
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {assertion}, "scope": {a.Scope},
		}
		rq, err := tokenRequest(ctx, a.TokenURL, form, false)
		if err != nil {
			return grant{}, err
		}
		return fetchToken(client, rq)
	}}
}

// SignedJWT is the strategy JWT Bearer, read as a JWT that is itself the bearer token. One serves many pushes.
func SignedJWT(a Assertion) Credential {
	return &bearer{clock: a.Now, fetch: func(context.Context, *http.Client) (grant, error) {
		lifetime := a.Lifetime
		if lifetime == 0 {
			lifetime = time.Hour
		}
		token, err := a.sign(lifetime, nil)
		return grant{token, lifetime}, err
	}}
}

// Federation is Google's Workload Identity Federation: a token of one's own is exchanged at a security token service for another,
// with which a service account is impersonated.
type Federation struct {
	TokenURL         string // of the security token service
	ImpersonationURL string // ends in :generateAccessToken or :generateIdToken
	Workload         Assertion
	Audience         string // of the exchange: the workload identity pool's provider
	Scope            string // of the access token; of an ID token its audience
	Now              func() time.Time
}

// GoogleWIF is the strategy Google Workload Identity Federation.
func GoogleWIF(f Federation) Credential {
	return &bearer{clock: f.Now, fetch: func(ctx context.Context, client *http.Client) (grant, error) {
		subject, err := f.Workload.sign(time.Hour, nil)
		if err != nil {
			return grant{}, err
		}
		rq, err := tokenRequest(ctx, f.TokenURL, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "audience": {f.Audience}, "scope": {"https://www.googleapis.com/auth/cloud-platform"},
			"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
			"subject_token_type":   {"urn:ietf:params:oauth:token-type:jwt"}, "subject_token": {subject},
		}, false)
		if err != nil {
			return grant{}, err
		}
		federated, err := fetchToken(client, rq)
		if err != nil {
			return grant{}, err
		}
		return f.impersonate(ctx, client, federated.token)
	}}
}

func (f *Federation) impersonate(ctx context.Context, client *http.Client, token string) (grant, error) {
	body, err := json.Marshal(map[string]any{"scope": []string{f.Scope}, "lifetime": "3600s", "audience": f.Scope, "includeEmail": true})
	if err != nil {
		return grant{}, err
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, f.ImpersonationURL, bytes.NewReader(body))
	if err != nil {
		return grant{}, err
	}
	rq.Header.Set("Content-Type", "application/json")
	rq.Header.Set("Authorization", "Bearer "+token)
	var answer struct{ AccessToken, Token string }
	if err := fetchJSON(client, rq, &answer); err != nil {
		return grant{}, fmt.Errorf("impersonate service account: %w", err)
	}
	return grant{answer.AccessToken + answer.Token, time.Hour}, nil // one of the two, by the URL
}

func tokenRequest(ctx context.Context, to string, form url.Values, asJSON bool) (*http.Request, error) {
	body, kind := []byte(form.Encode()), "application/x-www-form-urlencoded"
	if asJSON {
		flat := map[string]string{}
		for name := range form {
			flat[name] = form.Get(name)
		}
		var err error
		if body, err = json.Marshal(flat); err != nil {
			return nil, err
		}
		kind = "application/json"
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	rq.Header.Set("Content-Type", kind)
	rq.Header.Set("Accept", "application/json")
	return rq, nil
}

func fetchToken(client *http.Client, rq *http.Request) (grant, error) {
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		IDToken     string `json:"id_token"`
	}
	if err := fetchJSON(client, rq, &answer); err != nil {
		return grant{}, err
	}
	g := grant{answer.AccessToken, time.Duration(answer.ExpiresIn) * time.Second}
	if g.token == "" {
		g.token = answer.IDToken // of a Google grant with target_audience
	}
	if g.expires == 0 {
		g.expires = 5 * time.Minute
	}
	if g.token == "" {
		return grant{}, errors.New("the token endpoint gave no token")
	}
	return g, nil
}

func fetchJSON(client *http.Client, rq *http.Request, answer any) error {
	rs, err := client.Do(rq)
	if err != nil {
		return err
	}
	defer rs.Body.Close()
	text, err := io.ReadAll(io.LimitReader(rs.Body, 1<<20))
	if err != nil {
		return err
	}
	if rs.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", rq.URL.Host, rs.Status)
	}
	return json.Unmarshal(text, answer)
}
