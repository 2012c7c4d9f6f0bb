package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
	"syncd/extract/upstream"
)

// GoogleTokeninfo is where Google is asked about an access token, unless tokeninfo_url says otherwise.
const GoogleTokeninfo = "https://oauth2.googleapis.com/tokeninfo"

// tokeninfo asks Google about an access token.
type tokeninfo struct {
	ask       *asker
	audiences []string // ids of the service accounts
	email     string
	scope     []string
	now       func() time.Time
}

// verdict judges a token by what Google says of it.
func (g *tokeninfo) verdict(ctx context.Context, token string) (verdict, error) {
	said := answer{}
	err := g.ask.post(ctx, "tokeninfo", url.Values{"access_token": {token}}, "", "", said.read)
	var no *upstream.Refusal
	if errors.As(err, &no) && no.Status == http.StatusBadRequest {
		return g.refuse("token is not valid, Google says"), nil
	}
	if err != nil {
		return verdict{}, unjudged(reasonVerdict, err)
	}
	ends, ok := g.ends(said)
	if !ok {
		return verdict{}, unjudged(reasonVerdict, errors.New("read answer of tokeninfo_url: it does not say when the token expires"))
	}
	switch {
	case !g.now().Before(ends):
		return g.refuse("token expired, Google says"), nil
	case !contains(g.audiences, said.text("aud")), said.has("azp") && !contains(g.audiences, said.text("azp")):
		return g.refuse("token is of another account (aud, azp)"), nil
	case g.email != "" && (said.text("email") != g.email || said.text("email_verified") != "true"):
		return g.refuse("token is of another account (email, email_verified)"), nil
	}
	if reason := missingScope(g.scope, strings.Fields(said.text("scope"))); reason != "" {
		return g.refuse(reason), nil
	}
	return verdict{until: earlier(ends, g.now().Add(longestTrust))}, nil
}

func (g *tokeninfo) refuse(reason string) verdict {
	return verdict{bearerRefused(reason), g.now().Add(refusedFor)}
}

// ends tells when a token expires: expires_in counts from now, exp is an instant. The sooner one counts.
func (g *tokeninfo) ends(said answer) (time.Time, bool) {
	left, hasLeft := said.seconds("expires_in")
	instant, hasInstant := said.seconds("exp")
	byLeft, byInstant := g.now().Add(left), time.Unix(0, 0).Add(instant)
	switch {
	case hasLeft && hasInstant:
		return earlier(byLeft, byInstant), true
	case hasLeft:
		return byLeft, true
	}
	return byInstant, hasInstant
}

// introspection asks an issuer about a token (RFC 7662).
type introspection struct {
	ask       *asker
	id        string // ours at the issuer
	secret    *secret
	issuer    string
	audiences []string
	scope     []string
	now       func() time.Time
}

// verdict judges a token by what its issuer says of it. An issuer that does not know us is our fault, not the token's.
func (i *introspection) verdict(ctx context.Context, token string) (verdict, error) {
	password, err := i.secret.get()
	if err != nil {
		return verdict{}, unjudged(reasonConfig, err)
	}
	said := answer{}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	if err := i.ask.post(ctx, "introspection", form, i.id, string(password), said.read); err != nil {
		return verdict{}, unjudged(reasonVerdict, err)
	}
	now := i.now()
	refuse := func(reason string) (verdict, error) { return verdict{bearerRefused(reason), now.Add(refusedFor)}, nil }
	if said.raw["active"].Kind() != 't' && said.raw["active"].Kind() != 'f' {
		return verdict{}, unjudged(reasonVerdict, errors.New("read answer of introspection_url: it does not say whether the token is active"))
	}
	until := now.Add(revocableFor)
	if said.has("exp") {
		instant, ok := said.seconds("exp")
		if ends := time.Unix(0, 0).Add(instant); !ok || !now.Before(ends) {
			return refuse("token expired, its issuer says")
		} else if ends.Before(until) {
			until = ends
		}
	}
	switch {
	case said.raw["active"].Kind() != 't':
		return refuse("token is not active, its issuer says")
	case i.issuer != "" && said.text("iss") != i.issuer:
		return refuse("token is from another issuer (iss)")
	case len(i.audiences) > 0 && !slices.ContainsFunc(said.list("aud"), func(a string) bool { return contains(i.audiences, a) }):
		return refuse("token is for another audience (aud)")
	}
	if reason := missingScope(i.scope, strings.Fields(said.text("scope"))); reason != "" {
		return refuse(reason)
	}
	return verdict{until: until}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// answer is an object that somebody who was asked about a token sent.
type answer struct{ raw map[string]jsontext.Value }

func (a *answer) read(r *upstream.Response) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &a.raw); err != nil || a.raw == nil {
		return extract.Errorf(extract.KindGarbled, "read answer about a token", "it is not a JSON object")
	}
	return nil
}

func (a answer) has(name string) bool { return len(a.raw[name]) > 0 }

// text reads a text, or a number or a truth value as the text that it is: Google sends "true", others true.
func (a answer) text(name string) string {
	var s string
	switch raw := a.raw[name]; raw.Kind() {
	case '"':
		_ = json.Unmarshal(raw, &s) // it is a valid string, or the object would not have been read
	case 't', 'f', '0':
		s = string(raw)
	}
	return s
}

func (a answer) list(name string) (values []string) {
	if a.raw[name].Kind() == '[' && json.Unmarshal(a.raw[name], &values) == nil {
		return values
	}
	return []string{a.text(name)}
}

// seconds reads a whole number of seconds, of at most a few centuries.
func (a answer) seconds(name string) (time.Duration, bool) {
	n, err := strconv.ParseInt(a.text(name), 10, 64)
	if err != nil || n < 0 || n > 1<<33 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
