package auth

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	tokenPath = "/oauth/token"
	smartPath = "/.well-known/smart-configuration"
	// formBytes bounds a request for a token: an assertion and a few names.
	formBytes = 64 << 10
	// longestScope bounds what a client may ask for, for it is kept.
	longestScope = 1024
)

// Noter is what a ResponseWriter may be beside, to hear for people what the token endpoint decided: why, in words without
// values, and what failed where something did.
type Noter interface {
	Note(reason string, cause error)
}

func note(w http.ResponseWriter, reason string, cause error) {
	if n, ok := w.(Noter); ok {
		n.Note(reason, cause)
	}
}

// tokenEndpoint gives access tokens to whoever a grant knows (RFC 6749 section 3.2).
type tokenEndpoint struct {
	grant  grant
	issued *issued
	scope  []string // what may be granted; empty where scopes mean nothing
}

func (e *tokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	token, scope, err := e.token(r)
	if err == nil {
		note(w, "access token was given out", nil)
		reply(w, http.StatusOK, map[string]any{
			"access_token": token, "token_type": "Bearer", "expires_in": int(issuedFor.Seconds()), "scope": scope,
		})
		return
	}
	var no *oauthError
	if !errors.As(err, &no) {
		no = oauthErrorOf(err, 0, "")
	}
	note(w, no.reason, no.cause)
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "3")
	}
	if no.challenge != "" {
		w.Header().Set("WWW-Authenticate", no.challenge)
	}
	reply(w, no.status, map[string]any{"error": no.code, "error_description": no.reason})
}

func (e *tokenEndpoint) token(r *http.Request) (token, scope string, err error) {
	p, err := readParams(r)
	if err != nil {
		return "", "", err
	}
	switch {
	case p["grant_type"] == "":
		return "", "", badRequest("invalid_request", "no grant_type")
	case p["grant_type"] != e.grant.kind():
		return "", "", badRequest("unsupported_grant_type", "grant_type must be "+e.grant.kind())
	}
	client, asked, err := e.grant.client(r.Context(), r, p)
	if err != nil {
		return "", "", err
	}
	if scope, err = e.granted(asked); err != nil {
		return "", "", err
	}
	token, err = e.issued.issue(r.Context(), client, scope)
	return token, scope, err
}

// granted says which scope a token gets: that which was asked for, or where nothing was, all there is.
func (e *tokenEndpoint) granted(asked string) (string, error) {
	if strings.ContainsFunc(asked, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) || len(asked) > longestScope {
		return "", badRequest("invalid_scope", "scope holds what no scope may, or is too long")
	}
	names := strings.Fields(asked)
	if len(names) == 0 {
		names = e.scope
	}
	for _, s := range names {
		if len(e.scope) > 0 && !contains(e.scope, s) {
			return "", badRequest("invalid_scope", "a scope is asked for that this receiver does not grant")
		}
	}
	return strings.Join(names, " "), nil
}

// params are what a request for a token says.
type params map[string]string

func (p params) has(name string) bool { _, ok := p[name]; return ok }

// readParams reads a form, or an object of texts where the request says that it is JSON. Nothing may stand twice.
func readParams(r *http.Request) (params, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, formBytes+1))
	if err != nil || len(body) > formBytes {
		return nil, badRequest("invalid_request", "the body is too long, or could not be read")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		return formParams(body)
	case err == nil && kind == "application/json":
		return jsonParams(body)
	}
	return nil, badRequest("invalid_request", "the body must be application/x-www-form-urlencoded or application/json")
}

func formParams(body []byte) (params, error) {
	values, err := url.ParseQuery(string(bytes.TrimSpace(body)))
	if err != nil {
		return nil, badRequest("invalid_request", "the body is no form")
	}
	p := params{}
	for name, v := range values {
		if len(v) > 1 {
			return nil, badRequest("invalid_request", "a parameter stands twice")
		}
		p[name] = v[0]
	}
	return p, nil
}

func jsonParams(body []byte) (params, error) {
	var raw map[string]jsontext.Value
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, badRequest("invalid_request", "the body is no JSON object, or a parameter stands twice")
	}
	p := params{}
	for name, value := range raw {
		var text string
		if value.Kind() == '"' && json.Unmarshal(value, &text) == nil {
			p[name] = text
		}
	}
	return p, nil
}

// smartConfiguration tells SMART clients where and how to ask for a token.
func smartConfiguration(tokenURL string, algorithms []jose.SignatureAlgorithm, scope []string) http.Handler {
	about := map[string]any{
		"token_endpoint":                                   tokenURL,
		"grant_types_supported":                            []string{grantCredentials},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": algorithms,
		"capabilities":                                     []string{"client-confidential-asymmetric"},
	}
	if len(scope) > 0 {
		about["scopes_supported"] = scope
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		reply(w, http.StatusOK, about)
	})
}

// reply writes an object. A client that is gone by then is told nothing.
func reply(w http.ResponseWriter, status int, object map[string]any) {
	text, _ := json.Marshal(object, json.Deterministic(true)) // texts and numbers of our own
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
