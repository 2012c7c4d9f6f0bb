package auth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// leeway is how far another's clock may be from ours.
const leeway = time.Minute

// claims are what a JWT says (RFC 7519 section 4.1), of what is asked.
type claims struct {
	issuer, subject, id  string
	audience             []string
	expires              time.Time
	notBefore, issued    time.Time // zero where it does not say
	email                string
	emailVerified        bool
	scope                []string
	client, authorized   string // client_id, azp
	hasSubject, hasEmail bool
}

// errClaims is a payload that is no set of claims.
var errClaims = errors.New("the token's claims cannot be read")

// parseClaims reads a payload strictly: a claim of another type than it must have is an error, and so is one that stands twice.
func parseClaims(payload []byte) (*claims, error) {
	var raw map[string]jsontext.Value
	if err := json.Unmarshal(payload, &raw); err != nil || raw == nil {
		return nil, errClaims
	}
	c, r := &claims{}, claimReader{raw: raw}
	c.issuer, _ = r.text("iss")
	c.subject, c.hasSubject = r.text("sub")
	c.id, _ = r.text("jti")
	c.client, _ = r.text("client_id")
	c.authorized, _ = r.text("azp")
	c.email, c.hasEmail = r.text("email")
	c.emailVerified = string(raw["email_verified"]) == "true" || string(raw["email_verified"]) == `"true"`
	c.audience = r.list("aud")
	c.expires, c.notBefore, c.issued = r.instant("exp"), r.instant("nbf"), r.instant("iat")
	for _, name := range []string{"scope", "scp"} {
		for _, s := range r.list(name) {
			c.scope = append(c.scope, strings.Fields(s)...)
		}
	}
	if r.wrong {
		return nil, errClaims
	}
	return c, nil
}

// claimReader takes claims out of an object and remembers whether one was not what it must be.
type claimReader struct {
	raw   map[string]jsontext.Value
	wrong bool
}

func (r *claimReader) text(name string) (value string, ok bool) {
	raw, ok := r.raw[name]
	if ok && (raw.Kind() != '"' || json.Unmarshal(raw, &value) != nil) {
		r.wrong = true
	}
	return value, ok
}

// list reads a text or a list of texts.
func (r *claimReader) list(name string) (values []string) {
	raw, ok := r.raw[name]
	switch {
	case !ok:
	case raw.Kind() == '"':
		value, _ := r.text(name)
		values = []string{value}
	case raw.Kind() != '[' || json.Unmarshal(raw, &values) != nil:
		r.wrong = true
	}
	return values
}

// instant reads a whole number of seconds since 1970. Fractions, which RFC 7519 would allow, are nothing that Redox or an
// issuer sends, and exponents are how numbers are made that overflow.
func (r *claimReader) instant(name string) time.Time {
	raw, ok := r.raw[name]
	if !ok {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		r.wrong = true
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// rules are what a JWT's claims must be. What is empty is not asked for, but for issuers and audiences.
type rules struct {
	issuers   []string
	subject   string
	audiences []string
	email     string
	client    string
	scope     []string
	life      time.Duration // longest, from now and from iat
	needsID   bool          // jti
}

// check returns why claims are refused, in words; empty where they are as they must be.
func (w rules) check(c *claims, now time.Time) string {
	if reason := w.checkTimes(c, now); reason != "" {
		return reason
	}
	switch {
	case !contains(w.issuers, c.issuer):
		return "token is from another issuer (iss)"
	case !slices.ContainsFunc(c.audience, func(a string) bool { return contains(w.audiences, a) }):
		return "token is for another audience (aud)"
	case w.subject != "" && c.subject != w.subject:
		return "token is about another subject (sub)"
	case w.email != "" && (c.email != w.email || !c.emailVerified):
		return "token is of another account (email, email_verified)"
	case w.client != "" && c.client != w.client && (c.client != "" || c.authorized != w.client):
		return "token was given to another client (client_id, azp)"
	case w.needsID && c.id == "":
		return "token has no id (jti)"
	}
	return missingScope(w.scope, c.scope)
}

func (w rules) checkTimes(c *claims, now time.Time) string {
	switch {
	case c.expires.IsZero():
		return "token does not say when it expires (exp)"
	case !now.Before(c.expires.Add(leeway)):
		return "token expired (exp)"
	case c.expires.After(now.Add(w.life + leeway)), !c.issued.IsZero() && c.expires.After(c.issued.Add(w.life+leeway)):
		return "token lives longer than " + w.life.String() + " (exp)"
	case c.notBefore.After(now.Add(leeway)):
		return "token is not valid yet (nbf)"
	case c.issued.After(now.Add(leeway)):
		return "token is from the future (iat)"
	}
	return ""
}

func missingScope(want, have []string) string {
	for _, s := range want {
		if !contains(have, s) {
			return "token lacks a scope"
		}
	}
	return ""
}

// contains reports whether a list holds a text; an empty text is nowhere.
func contains(list []string, s string) bool { return s != "" && slices.Contains(list, s) }
