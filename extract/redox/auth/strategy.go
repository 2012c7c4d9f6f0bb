package auth

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	bearerLife    = time.Hour       // longest that a JWT may be valid
	assertionLife = 5 * time.Minute // the same of a SMART client assertion
)

// newStrategy makes the strategy that Options name; they were checked.
func newStrategy(c Config) (strategy, error) {
	o := c.Options
	if o.Strategy == strategySigV4 {
		return newSigV4(c)
	}
	if o.ownEndpoint() {
		return newOwnEndpoint(c)
	}
	if o.IntrospectionURL != "" {
		return newIntrospection(c)
	}
	if o.Strategy == strategyGoogle || o.Strategy == strategyGCP {
		if o.JWKSURL == "" {
			return newTokeninfo(c)
		}
		return newSigned(c, c.verifier(rules{
			issuers: oneOr(o.Issuer, googleIssuers()...), subject: o.Subject, audiences: o.Audience, email: o.Email, life: bearerLife,
		}, jose.RS256))
	}
	audiences := o.Audience
	if len(audiences) == 0 {
		audiences = eitherSlash(c.address(""))
	}
	usual := publicAlgorithms()
	if c.Secrets.Shared != nil {
		usual = sharedAlgorithms()
	}
	return newSigned(c, c.verifier(rules{
		issuers: []string{o.Issuer}, subject: o.Subject, audiences: audiences, client: o.ClientID,
		scope: strings.Fields(o.Scope), life: bearerLife,
	}, usual...))
}

// bearer is every strategy in which a push carries a bearer token.
type bearer struct {
	judge  func(ctx context.Context, token string) error
	look   func(ctx context.Context) []Finding
	serves map[string]http.Handler
}

func (b *bearer) check(ctx context.Context, r *Request) error {
	sent := r.Header.Values("Authorization")
	switch {
	case len(sent) == 0:
		return &Refusal{Status: http.StatusUnauthorized, Reason: "no bearer token", Challenge: "Bearer"}
	case len(sent) > 1:
		return bearerRefused("authorization sent twice")
	}
	token, ok := bearerOf(sent[0])
	if !ok || token == "" {
		return &Refusal{Status: http.StatusUnauthorized, Reason: "authorization is no bearer token", Challenge: "Bearer"}
	}
	return b.judge(ctx, token)
}

func (b *bearer) endpoints() map[string]http.Handler { return b.serves }

func (b *bearer) diagnose(ctx context.Context) []Finding { return b.look(ctx) }

// newSigned lets in whoever carries a JWT.
func newSigned(c Config, v verifier) (strategy, error) {
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	v.keys = keys
	return &bearer{look: keys.diagnose, judge: func(ctx context.Context, token string) error {
		_, err := v.verify(ctx, token)
		return err
	}}, nil
}

func newTokeninfo(c Config) (strategy, error) {
	o := c.Options
	ask, err := newAsker(c, cmp.Or(o.TokeninfoURL, GoogleTokeninfo))
	if err != nil {
		return nil, fmt.Errorf("tokeninfo_url: %w", err)
	}
	google := &tokeninfo{ask: ask, audiences: o.Audience, email: o.Email, scope: strings.Fields(o.Scope), now: c.Now}
	seen := &verdicts{now: c.Now, ask: google.verdict}
	return &bearer{judge: seen.check, look: func(ctx context.Context) []Finding {
		return lookAt(ctx, "tokeninfo_url "+ask.where, google.verdict)
	}}, nil
}

func newIntrospection(c Config) (strategy, error) {
	o := c.Options
	ask, err := newAsker(c, o.IntrospectionURL)
	if err != nil {
		return nil, fmt.Errorf("introspection_url: %w", err)
	}
	issuer := &introspection{
		ask: ask, id: o.ClientID, secret: newSecret(c.Secrets.ClientSecret, c.Now), issuer: o.Issuer,
		audiences: o.Audience, scope: strings.Fields(o.Scope), now: c.Now,
	}
	seen := &verdicts{now: c.Now, ask: issuer.verdict}
	return &bearer{judge: seen.check, look: func(ctx context.Context) []Finding {
		return lookAt(ctx, "introspection_url "+ask.where, issuer.verdict)
	}}, nil
}

// lookAt asks about a token that is none: whoever refuses it can be asked.
func lookAt(ctx context.Context, where string, ask func(context.Context, string) (verdict, error)) []Finding {
	found, err := ask(ctx, "syncd-check")
	switch {
	case err != nil:
		return []Finding{{Fault, where + " cannot be asked: " + causeOf(err), "check the address, the network and our credentials there"}}
	case found.refusal == nil:
		return []Finding{{Fault, where + " lets any token in", "check the address: it must be the issuer's own"}}
	}
	return []Finding{{Good, where + " answers, and refuses a token that is none", ""}}
}

// newOwnEndpoint lets in whoever carries a token of our own token endpoint.
func newOwnEndpoint(c Config) (strategy, error) {
	if c.Store == nil {
		return nil, fmt.Errorf("strategy %s keeps tokens, and there is no store for them", c.Options.Strategy)
	}
	scope, tokens, tokenURL := strings.Fields(c.Options.Scope), newIssued(c), c.address(tokenPath)
	g, look, err := c.grant(eitherSlash(tokenURL))
	if err != nil {
		return nil, err
	}
	b := &bearer{judge: tokens.check, look: look, serves: map[string]http.Handler{
		tokenPath: &tokenEndpoint{grant: g, issued: tokens, scope: scope},
	}}
	if smart, ok := g.(*clientAssertion); ok && tokenURL != "" {
		b.serves[smartPath] = smartConfiguration(tokenURL, smart.verifier.algorithms, scope)
	}
	return b, nil
}

// grant makes the grant of our token endpoint, and what looks at its secrets and keys.
func (c Config) grant(tokenURLs []string) (grant, func(context.Context) []Finding, error) {
	o := c.Options
	if o.Strategy == strategyOAuth {
		secrets := newSecrets(c.Now, c.Secrets.ClientSecret, c.Secrets.ClientSecretOld)
		return &secretGrant{id: o.ClientID, secrets: secrets}, func(context.Context) (found []Finding) {
			for i, s := range secrets {
				found = append(found, diagnoseSecret([]string{"client_secret", "client_secret_old"}[i], s, shortestToken))
			}
			return found
		}, nil
	}
	keys, err := c.keys()
	if err != nil {
		return nil, nil, err
	}
	used := &once{store: c.Store, destination: c.Destination}
	accepted := append(tokenURLs, o.Audience...)
	if o.Strategy == strategySmart {
		v := c.verifier(rules{
			issuers: []string{o.ClientID}, subject: o.ClientID, audiences: accepted, life: assertionLife, needsID: true,
		}, jose.RS384, jose.ES384)
		v.keys, v.strict = keys, true
		return &clientAssertion{v, used}, keys.diagnose, nil
	}
	usual := publicAlgorithms()
	switch {
	case c.Secrets.Shared != nil:
		usual = sharedAlgorithms()
	case o.Strategy == strategyGCP:
		usual = []jose.SignatureAlgorithm{jose.RS256}
	}
	v := c.verifier(rules{issuers: []string{o.Issuer}, subject: o.Subject, audiences: accepted, life: bearerLife}, usual...)
	v.keys = keys
	return &jwtGrant{v, used}, keys.diagnose, nil
}

func (c Config) verifier(r rules, usual ...jose.SignatureAlgorithm) verifier {
	return verifier{algorithms: c.Options.algorithms(usual...), rules: r, now: c.Now}
}

// keys returns where the keys for JWTs come from.
func (c Config) keys() (keySource, error) {
	switch o := c.Options; {
	case c.Secrets.Shared != nil:
		return &sharedKeys{newSecrets(c.Now, c.Secrets.Shared, c.Secrets.SharedOld)}, nil
	case o.JWKSFile != "":
		return newFileKeys(o.JWKSFile, c.Now), nil
	default:
		ask, err := newAsker(c, o.JWKSURL)
		if err != nil {
			return nil, fmt.Errorf("jwks_url: %w", err)
		}
		return &urlKeys{url: o.JWKSURL, ask: ask, now: c.Now, state: c.Keys.state(keyAddress{c.Destination, o.JWKSURL, c.Upstream})}, nil
	}
}

// address is where Redox reaches a path below the receiver's; empty where public_url is not set.
func (c Config) address(below string) string {
	if c.PublicURL == "" {
		return ""
	}
	return strings.TrimSuffix(c.PublicURL, "/") + c.Path + below
}

// eitherSlash returns an address as it is, and with or without a slash at its end; nothing for none.
func eitherSlash(address string) []string {
	if address == "" {
		return nil
	}
	bare := strings.TrimSuffix(address, "/")
	return []string{bare, bare + "/"}
}

func oneOr(value string, usual ...string) []string {
	if value == "" {
		return usual
	}
	return []string{value}
}
