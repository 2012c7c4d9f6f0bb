package auth

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"syncd/extract/upstream"
)

// Config is what a Gate is made of. Where both tokens and a strategy are given, both are required of every push.
type Config struct {
	Destination string // the receiver's name
	Options     Options
	Secrets     Secrets
	Tokens      []Secret // verification tokens that are valid now, at most MaxTokens
	// HandshakeRequiresCredential asks for the strategy's credential in the handshake, too; otherwise token or credential do.
	HandshakeRequiresCredential bool
	// PublicURL is scheme and host, and a path that a proxy takes off, by which Redox reaches us: "https://etl.example.org".
	PublicURL string
	Path      string          // of the receiver, below PublicURL: "/redox/hospital-7f3c"
	Upstream  upstream.Config // how JWKS, tokeninfo and introspection are reached
	Version   string          // of syncd, for the User-Agent
	Store     Store           // needed by strategies that have a token endpoint
	Keys      *KeySets        // shared by Gates that follow one another; may be nil
	Now       func() time.Time
}

// MaxTokens bounds how many verification tokens are valid at once: each is compared with every request.
const MaxTokens = 16

// strategy is one of the six.
type strategy interface {
	// check judges the credential of a push.
	check(ctx context.Context, r *Request) error
	// endpoints are what the strategy serves of its own, by their path below the receiver's.
	endpoints() map[string]http.Handler
	// diagnose looks at whatever it needs later.
	diagnose(ctx context.Context) []Finding
}

// Gate judges who pushes to one receiver. It may be used from many goroutines.
type Gate struct {
	tokens     *tokens
	strategy   strategy // nil where there is none
	name       string   // of the strategy
	handshakes bool     // HandshakeRequiresCredential
}

// New makes a Gate. It reads no secret and asks nobody. Its error names the key that is at fault.
func New(c Config) (*Gate, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Tokens) > MaxTokens {
		return nil, fmt.Errorf("verification_tokens holds %d tokens; %d may be valid at once", len(c.Tokens), MaxTokens)
	}
	g := &Gate{tokens: &tokens{}, name: c.Options.Strategy, handshakes: c.HandshakeRequiresCredential}
	g.tokens.active = newSecrets(c.Now, c.Tokens...)
	if c.Options.Strategy == "" && len(c.Tokens) == 0 {
		return nil, fmt.Errorf("neither verification_tokens nor auth is set: anybody could push")
	}
	if c.Options.Strategy == "" {
		return g, nil
	}
	if all := c.Options.Check(c.Secrets, c.PublicURL); len(all) > 0 {
		return nil, fmt.Errorf("%s %s", all[0].Key, all[0].Reason)
	}
	var err error
	g.strategy, err = newStrategy(c)
	return g, err
}

// Check judges a push. The error is a *Refusal, or that of r.Bytes.
func (g *Gate) Check(ctx context.Context, r *Request) error {
	var fingerprints []string
	if len(g.tokens.active) > 0 {
		values, err := presented(r.Header, g.strategy == nil)
		if err != nil {
			return err
		}
		if fingerprints, err = g.tokens.match(values...); err != nil {
			return err
		}
	}
	if g.strategy != nil {
		if err := g.strategy.check(ctx, r); err != nil {
			return err
		}
	}
	g.tokens.used(fingerprints)
	return nil
}

// Handshake judges a verification of the destination that brought this token, in its body, its query or its header; empty where
// it brought none. The error is a *Refusal, or that of r.Bytes.
func (g *Gate) Handshake(ctx context.Context, r *Request, token string) error {
	var byToken error = refused(reasonNone)
	if len(g.tokens.active) > 0 && token != "" {
		fingerprints, err := g.tokens.match(token)
		if byToken = err; err == nil {
			defer g.tokens.used(fingerprints)
		}
	}
	switch {
	case g.strategy == nil, g.handshakes && len(g.tokens.active) > 0 && byToken != nil:
		return byToken
	case byToken == nil && !g.handshakes:
		return nil
	}
	byCredential := g.strategy.check(ctx, r)
	if byCredential != nil && byToken != nil && len(g.tokens.active) > 0 && token != "" {
		return byToken // what people can set right first
	}
	return byCredential
}

// Uses returns how often each verification token let somebody in since the last call, by Fingerprint. Whoever calls it hands
// them to Store.UsedTokens.
func (g *Gate) Uses() map[string]int64 { return g.tokens.drain() }

// Endpoints returns what the strategy serves of its own, by path below the receiver's: "/oauth/token" and
// "/.well-known/smart-configuration", as far as it has them.
func (g *Gate) Endpoints() map[string]http.Handler {
	if g.strategy == nil {
		return nil
	}
	return g.strategy.endpoints()
}

// Strategy returns the strategy's name, and "verification token" where there is none.
func (g *Gate) Strategy() string { return cmp.Or(g.name, "verification token") }
