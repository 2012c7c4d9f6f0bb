package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	grantCredentials = "client_credentials"
	grantAssertion   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionType    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// grant is a way to prove to our token endpoint who one is.
type grant interface {
	// kind is its grant_type.
	kind() string
	// client authenticates a request and says for whom, and for which scope, blanks between, a token is asked. The error is an
	// *oauthError.
	client(ctx context.Context, r *http.Request, p params) (id, scope string, err error)
}

// oauthError is an answer of the token endpoint that is no token (RFC 6749 section 5.2).
type oauthError struct {
	status    int
	code      string
	reason    string // for people; no values
	challenge string
	cause     error
}

func (e *oauthError) Error() string { return e.reason }

func badRequest(code, reason string) *oauthError {
	return &oauthError{status: http.StatusBadRequest, code: code, reason: reason}
}

// oauthErrorOf makes an answer of a Refusal: status and code are what its 401 means here.
func oauthErrorOf(err error, status int, code string) *oauthError {
	var r *Refusal
	if !errors.As(err, &r) {
		r = unjudged("the request cannot be judged now", err)
	}
	if r.Status == http.StatusServiceUnavailable {
		status, code = r.Status, "temporarily_unavailable"
	}
	return &oauthError{status: status, code: code, reason: r.Reason, cause: r.Cause}
}

// secretGrant is client_credentials with id and secret (RFC 6749 sections 2.3.1 and 4.4).
type secretGrant struct {
	id      string
	secrets []*secret
}

func (g *secretGrant) kind() string { return grantCredentials }

func (g *secretGrant) client(_ context.Context, r *http.Request, p params) (id, scope string, err error) {
	wrong := &oauthError{
		status: http.StatusUnauthorized, code: "invalid_client", reason: "client id or secret is wrong", challenge: `Basic realm="syncd"`,
	}
	sent, err := shownBy(r, p)
	if err != nil {
		return "", "", err
	}
	found := false
	for _, c := range sent {
		ok, err := anyIs(g.secrets, c.secret)
		if err != nil {
			return "", "", oauthErrorOf(err, 0, "")
		}
		found = found || equal([]byte(c.id), []byte(g.id)) == 1 && ok
	}
	if !found {
		return "", "", wrong
	}
	return g.id, p["scope"], nil
}

// credential is an id and a secret that a client showed.
type credential struct{ id, secret string }

// shownBy collects what a request shows, in Basic or in its body. Inside Basic both are form-encoded, but there are clients
// that send them as they are: either reading may be right. Where both places are used they have to agree.
func shownBy(r *http.Request, p params) ([]credential, error) {
	var sent []credential
	if id, password, ok := r.BasicAuth(); ok {
		sent = append(sent, credential{id, password})
		plainID, err1 := url.QueryUnescape(id)
		plain, err2 := url.QueryUnescape(password)
		if err1 == nil && err2 == nil {
			sent = append(sent, credential{plainID, plain})
		}
	}
	if !p.has("client_secret") {
		return sent, nil
	}
	body := credential{p["client_id"], p["client_secret"]}
	if len(sent) > 0 && !slices.Contains(sent, body) {
		return nil, badRequest("invalid_request", "client id or secret differs between the authorization header and the body")
	}
	return append(sent, body), nil
}

// clientAssertion is client_credentials with a signed assertion: SMART Backend Services, and RFC 7523 section 2.2.
type clientAssertion struct {
	verifier verifier
	once     *once
}

func (g *clientAssertion) kind() string { return grantCredentials }

func (g *clientAssertion) client(ctx context.Context, _ *http.Request, p params) (id, scope string, err error) {
	if p["client_assertion_type"] != assertionType || p["client_assertion"] == "" {
		return "", "", &oauthError{
			status: http.StatusUnauthorized, code: "invalid_client", reason: "no client_assertion of type jwt-bearer",
		}
	}
	c, err := g.verifier.verify(ctx, p["client_assertion"])
	if err == nil && p.has("client_id") && p["client_id"] != c.subject {
		err = refused("client_id is not that of the assertion")
	}
	if err == nil {
		err = g.once.use(ctx, c)
	}
	if err != nil {
		return "", "", oauthErrorOf(err, http.StatusUnauthorized, "invalid_client")
	}
	return c.subject, p["scope"], nil
}

// jwtGrant is a signed assertion as the grant itself (RFC 7523 section 2.1).
type jwtGrant struct {
	verifier verifier
	once     *once
}

func (g *jwtGrant) kind() string { return grantAssertion }

func (g *jwtGrant) client(ctx context.Context, _ *http.Request, p params) (id, scope string, err error) {
	if p["assertion"] == "" {
		return "", "", badRequest("invalid_request", "no assertion")
	}
	c, err := g.verifier.verify(ctx, p["assertion"])
	if err == nil && c.id != "" {
		err = g.once.use(ctx, c)
	}
	if err != nil {
		return "", "", oauthErrorOf(err, http.StatusBadRequest, "invalid_grant")
	}
	return cmp.Or(c.subject, c.issuer), cmp.Or(p["scope"], strings.Join(c.scope, " ")), nil
}

// once lets every assertion in a single time, on all replicas together.
type once struct {
	store       Store
	destination string
}

// use marks an assertion, whose signature and claims are right, as used. The error is a Refusal.
func (o *once) use(ctx context.Context, c *claims) error {
	first, err := o.store.UseJTI(ctx, o.destination, c.issuer, sha256.Sum256([]byte(c.id)), c.expires.Add(leeway))
	if err != nil {
		return unjudged(reasonStore, err)
	}
	if !first {
		return refused("assertion was used before (jti)")
	}
	return nil
}
