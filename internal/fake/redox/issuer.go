package redox

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Account is whom an Issuer's tokens are for.
type Account struct {
	ClientID string // "azp" and "aud" of tokeninfo: for Google the numeric id of a service account
	Email    string
	Scope    string
}

// Issuer is an identity provider to test against: it gives out tokens for one account and answers about them, as Google does
// and as any OAuth 2.0 server with introspection does. It takes every client and every assertion: who may have a token is not what
// it is for. Its paths:
//
//	/token                        grants of tokens; also the exchange of tokens
//	/sa:generateAccessToken       an opaque access token of a service account
//	/sa:generateIdToken           an ID token of it
//	/tokeninfo                    what Google says of an access token
//	/introspect                   RFC 7662
//	/jwks                         the public keys
type Issuer struct {
	name    string // "iss" of its tokens
	account Account
	clock   func() time.Time

	mu     sync.Mutex
	keys   []*Key // the last one signs
	issued map[string]time.Time
	jwt    bool
	down   bool
	calls  map[string]int
}

// NewIssuer makes an issuer with a key of its own. clock nil is time.Now.
func NewIssuer(name string, account Account, clock func() time.Time) (*Issuer, error) {
	key, err := NewKey("RS256", "key-1")
	if err != nil {
		return nil, err
	}
	return &Issuer{name: name, account: account, clock: clock, keys: []*Key{key}, issued: map[string]time.Time{}, calls: map[string]int{}}, nil
}

// Down lets every request be answered with 503, or no longer.
func (i *Issuer) Down(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// JWT makes the access tokens of /token signed JWTs, in place of opaque ones.
func (i *Issuer) JWT(on bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.jwt = on
}

// Rotate signs with a new key from now on. The old ones are published no longer unless keep.
func (i *Issuer) Rotate(key *Key, keep bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !keep {
		i.keys = nil
	}
	i.keys = append(i.keys, key)
}

// Revoke makes all opaque tokens invalid.
func (i *Issuer) Revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.issued)
}

// Calls returns how often each path was asked.
func (i *Issuer) Calls() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.calls)
}

// Opaque gives out an access token that says nothing by itself.
func (i *Issuer) Opaque(lifetime time.Duration) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.opaque(lifetime)
}

func (i *Issuer) opaque(lifetime time.Duration) string {
	token := "ya29." + freshID()
	i.issued[token] = now(i.clock).Add(lifetime)
	return token
}

func freshID() string { return rand.Text() }

// IDToken gives out a signed token for an audience.
func (i *Issuer) IDToken(audience string, lifetime time.Duration) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.signed(audience, lifetime)
}

func (i *Issuer) signed(audience string, lifetime time.Duration) (string, error) {
	at := now(i.clock)
	return i.keys[len(i.keys)-1].Sign(map[string]any{
		"iss": i.name, "aud": audience, "sub": i.account.ClientID, "azp": i.account.ClientID, "email": i.account.Email, "email_verified": true,
		"scope": i.account.Scope, "client_id": i.account.ClientID, "iat": at.Unix(), "exp": at.Add(lifetime).Unix(),
	})
}

func (i *Issuer) ServeHTTP(w http.ResponseWriter, rq *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls[rq.URL.Path]++
	if i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var body struct{ Audience string }
	if strings.HasPrefix(rq.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(rq.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	status, answer := http.StatusOK, map[string]any{}
	var err error
	switch rq.URL.Path {
	case "/token":
		answer["token_type"], answer["expires_in"] = "Bearer", 3600
		if i.jwt {
			answer["access_token"], err = i.signed(rq.PostFormValue("audience"), time.Hour)
		} else {
			answer["access_token"] = i.opaque(time.Hour)
		}
	case "/sa:generateAccessToken":
		answer["accessToken"], answer["expireTime"] = i.opaque(time.Hour), now(i.clock).Add(time.Hour).UTC().Format(time.RFC3339)
	case "/sa:generateIdToken":
		answer["token"], err = i.signed(body.Audience, time.Hour)
	case "/tokeninfo":
		if answer = i.tokeninfo(rq.FormValue("access_token")); answer["error"] != nil {
			status = http.StatusBadRequest
		}
	case "/introspect":
		answer = i.introspection(rq.PostFormValue("token"))
	case "/jwks":
		i.publish(w)
		return
	default:
		status = http.StatusNotFound
	}
	if err != nil {
		status = http.StatusInternalServerError
	}
	write(w, status, answer)
}

func (i *Issuer) publish(w http.ResponseWriter) {
	set, err := KeySet(i.keys...)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	write(w, http.StatusOK, json.RawMessage(set))
}

// tokeninfo answers in Google's way: all values are text.
func (i *Issuer) tokeninfo(token string) map[string]any {
	left := i.left(token)
	if left <= 0 {
		return map[string]any{"error": "invalid_token", "error_description": "Invalid Value"}
	}
	return map[string]any{
		"azp": i.account.ClientID, "aud": i.account.ClientID, "sub": i.account.ClientID, "scope": i.account.Scope,
		"exp": text(now(i.clock).Add(left).Unix()), "expires_in": text(int64(left / time.Second)), "email": i.account.Email, "email_verified": "true", "access_type": "online",
	}
}

func (i *Issuer) introspection(token string) map[string]any {
	left := i.left(token)
	if left <= 0 {
		return map[string]any{"active": false}
	}
	return map[string]any{
		"active": true, "client_id": i.account.ClientID, "scope": i.account.Scope, "iss": i.name, "sub": i.account.ClientID, "token_type": "Bearer",
		"exp": now(i.clock).Add(left).Unix(),
	}
}

// left is how long an opaque token is valid.
func (i *Issuer) left(token string) time.Duration { return i.issued[token].Sub(now(i.clock)) }

func text(n int64) string { return strconv.FormatInt(n, 10) }

func write(w http.ResponseWriter, status int, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
