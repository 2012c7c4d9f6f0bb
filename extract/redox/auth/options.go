package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The strategies by which Redox can authenticate itself.
const (
	strategySigV4  = "aws-sigv4"
	strategyGoogle = "google-wif"
	strategyOAuth  = "oauth2"
	strategyGCP    = "oauth2-jwt-bearer-gcp"
	strategySmart  = "smart-backend"
	strategyBearer = "jwt-bearer"
)

// Options say how Redox authenticates itself. They are keys of [redox.NAME.auth] in jobs.toml; the secrets are in Secrets.
type Options struct {
	Strategy         string        `toml:"strategy" otherwise:"none" oneof:"aws-sigv4,google-wif,oauth2,oauth2-jwt-bearer-gcp,smart-backend,jwt-bearer" doc:"How Redox authenticates itself, as its auth credential says."`
	AccessKey        string        `toml:"access_key" otherwise:"none" doc:"aws-sigv4: id of the key that Redox signs with, of your own choosing."`
	AccessKeyOld     string        `toml:"access_key_old" otherwise:"that of access_key" doc:"aws-sigv4: id of the key that secret_key_old belongs to, while keys change."`
	Region           string        `toml:"region" otherwise:"none" doc:"aws-sigv4: region that Redox signs for."`
	Service          string        `toml:"service" otherwise:"none" doc:"aws-sigv4: name of the service that Redox signs for."`
	ClockWindow      time.Duration `toml:"clock_window" default:"5m" doc:"aws-sigv4: how far the time of a signature may be from ours, at most 15m."`
	ClientID         string        `toml:"client_id" otherwise:"none" doc:"oauth2, smart-backend: the client id that Redox has. With introspection_url: ours at the issuer."`
	TokeninfoURL     string        `toml:"tokeninfo_url" otherwise:"Google's" doc:"google-wif, oauth2-jwt-bearer-gcp: where Google is asked about an access token."`
	IntrospectionURL string        `toml:"introspection_url" otherwise:"none" doc:"oauth2: where the issuer is asked about a token (RFC 7662)."`
	JWKSURL          string        `toml:"jwks_url" otherwise:"none" doc:"Address of the public keys with which tokens or assertions are signed; plain http for this machine only."`
	JWKSFile         string        `toml:"jwks_file" path:"file" otherwise:"none" doc:"File of those public keys, a JWK set or PEM, in place of jwks_url."`
	Issuer           string        `toml:"issuer" otherwise:"none; google-wif: Google" doc:"Who issues tokens or assertions: iss, compared exactly."`
	Subject          string        `toml:"subject" otherwise:"any" doc:"Whom tokens or assertions are about: sub, compared exactly."`
	Audience         []string      `toml:"audience" single:"" otherwise:"of assertions the address of our token endpoint" doc:"For whom tokens or assertions are: aud, compared exactly; one of these is enough."`
	Email            string        `toml:"email" otherwise:"any" doc:"google-wif, oauth2-jwt-bearer-gcp: e-mail address of the service account in an ID token."`
	Scope            string        `toml:"scope" otherwise:"none" doc:"Scopes that a token must have, or that our token endpoint grants; blanks part them."`
	Algorithms       []string      `toml:"algorithms" otherwise:"those that are usual for the strategy" oneof:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA,HS256,HS384,HS512" doc:"Signature algorithms that are accepted. HS* are for secret alone, and are never accepted beside public keys."`
	Grant            bool          `toml:"grant" default:"false" doc:"jwt-bearer: Redox hands its JWT to our token endpoint for a token, rather than to every push."`
}

// Secrets are what Options refer to, and never hold.
type Secrets struct {
	SecretKey       Secret // secret_key: of access_key
	SecretKeyOld    Secret // secret_key_old: of access_key_old
	SessionToken    Secret // session_token: that goes with access_key
	ClientSecret    Secret // client_secret: of client_id
	ClientSecretOld Secret // client_secret_old: accepted as well, while secrets change
	Shared          Secret // secret: with which JWTs are signed, where no public key is
	SharedOld       Secret // secret_old: accepted as well, while secrets change
}

// usage is how a strategy is configured: one of several forms, of which the first is taken whose sign is there.
type usage struct {
	sign     string   // the key that tells this form; empty for the last one
	required []string // a|b is one of the two, and not both
	optional []string
}

// usages lists the forms of each strategy. clock_window has a default and is not looked at.
func usages(strategy string) []usage {
	google := []usage{
		{"jwks_url", []string{"audience", "email|subject"}, []string{"jwks_url", "issuer", "algorithms"}},
		{"", []string{"audience"}, []string{"tokeninfo_url", "scope", "email"}},
	}
	switch strategy {
	case strategySigV4:
		return []usage{{"", []string{"access_key", "secret_key", "region", "service"}, []string{"access_key_old", "secret_key_old", "session_token"}}}
	case strategyGoogle:
		return google
	case strategyOAuth:
		external := []string{"client_id", "subject", "scope", "algorithms"}
		return []usage{
			{"introspection_url", []string{"introspection_url", "client_id", "client_secret"}, []string{"issuer", "audience", "scope"}},
			{"jwks_url", []string{"jwks_url", "issuer", "audience"}, external},
			{"jwks_file", []string{"jwks_file", "issuer", "audience"}, external},
			{"", []string{"client_id", "client_secret"}, []string{"client_secret_old", "scope"}},
		}
	case strategyGCP:
		return append([]usage{
			{"own", []string{"issuer", "jwks_url|jwks_file"}, []string{"subject", "audience", "scope", "algorithms"}},
		}, google...)
	case strategySmart:
		return []usage{{"", []string{"client_id", "jwks_url|jwks_file"}, []string{"audience", "scope", "algorithms"}}}
	case strategyBearer:
		return []usage{
			{"secret", []string{"secret", "issuer"}, []string{"secret_old", "audience", "subject", "scope", "algorithms", "grant"}},
			{"", []string{"jwks_url|jwks_file", "issuer"}, []string{"audience", "subject", "scope", "algorithms", "grant"}},
		}
	}
	return nil
}

// given lists the keys that are set, by their names in jobs.toml.
func (o Options) given(s Secrets) []string {
	var set []string
	for _, k := range []struct {
		name string
		is   bool
	}{
		{"access_key", o.AccessKey != ""},
		{"access_key_old", o.AccessKeyOld != ""},
		{"region", o.Region != ""},
		{"service", o.Service != ""},
		{"client_id", o.ClientID != ""},
		{"tokeninfo_url", o.TokeninfoURL != ""},
		{"introspection_url", o.IntrospectionURL != ""},
		{"jwks_url", o.JWKSURL != ""},
		{"jwks_file", o.JWKSFile != ""},
		{"issuer", o.Issuer != ""},
		{"subject", o.Subject != ""},
		{"audience", len(o.Audience) > 0},
		{"email", o.Email != ""},
		{"scope", o.Scope != ""},
		{"algorithms", len(o.Algorithms) > 0},
		{"grant", o.Grant},
		{"secret_key", s.SecretKey != nil},
		{"secret_key_old", s.SecretKeyOld != nil},
		{"session_token", s.SessionToken != nil},
		{"client_secret", s.ClientSecret != nil},
		{"client_secret_old", s.ClientSecretOld != nil},
		{"secret", s.Shared != nil},
		{"secret_old", s.SharedOld != nil},
	} {
		if k.is {
			set = append(set, k.name)
		}
	}
	return set
}

// ownEndpoint reports whether Redox asks us for a token, with an assertion that Google is not to see.
func (o Options) ownEndpoint() bool {
	switch o.Strategy {
	case strategyGCP:
		return o.Issuer != "" && !slices.Contains(googleIssuers(), o.Issuer)
	case strategyBearer:
		return o.Grant
	case strategyOAuth:
		return o.IntrospectionURL == "" && o.JWKSURL == "" && o.JWKSFile == ""
	}
	return o.Strategy == strategySmart
}

// Misfit is a key that is missing, does not go together with the others or is not what it must be.
type Misfit struct {
	Key    string
	Reason string // in words that follow the key's name; no value
}

// Check says what is wrong with options, all of it. Of secrets it looks only at whether they are set; publicURL is that of the
// server.
func (o Options) Check(s Secrets, publicURL string) []Misfit {
	if o.Strategy == "" {
		return []Misfit{{"strategy", "is not set; known are " + strings.Join(strategies(), ", ")}}
	}
	forms := usages(o.Strategy)
	if forms == nil {
		return []Misfit{{"strategy", "is none that Redox has; known are " + strings.Join(strategies(), ", ")}}
	}
	set := o.given(s)
	all := o.form(forms, set).check(o.Strategy, set)
	add := func(key, reason string) { all = append(all, Misfit{key, reason}) }
	for _, at := range []struct{ key, address string }{
		{"jwks_url", o.JWKSURL}, {"tokeninfo_url", o.TokeninfoURL}, {"introspection_url", o.IntrospectionURL},
	} {
		if at.address == "" {
			continue
		}
		if reason := checkAddress(at.address); reason != "" {
			add(at.key, reason)
		}
	}
	if o.ClockWindow < 0 || o.ClockWindow > widestWindow {
		add("clock_window", "must be between 0 and "+widestWindow.String())
	}
	if slices.Contains(o.Audience, "") {
		add("audience", "holds an empty text")
	}
	needs := o.Strategy == strategyBearer || o.Strategy == strategySmart || o.ownEndpoint() && o.Strategy == strategyGCP
	if needs && publicURL == "" && len(o.Audience) == 0 {
		add("audience", "is needed where [serve] public_url does not say by which address Redox reaches us")
	}
	if reason := o.checkAlgorithms(s); reason != "" {
		add("algorithms", reason)
	}
	return all
}

// form returns the form that is meant.
func (o Options) form(forms []usage, set []string) usage {
	for _, u := range forms {
		if u.sign == "" || contains(set, u.sign) || u.sign == "own" && o.ownEndpoint() {
			return u
		}
	}
	return usage{}
}

func (u usage) check(strategy string, set []string) (all []Misfit) {
	allowed := slices.Clone(u.optional)
	for _, need := range u.required {
		choice := strings.Split(need, "|")
		allowed = append(allowed, choice...)
		have := slices.DeleteFunc(slices.Clone(choice), func(k string) bool { return !contains(set, k) })
		switch {
		case len(have) == 0 && len(choice) > 1:
			all = append(all, Misfit{choice[0], "or " + choice[1] + " is needed by strategy " + strategy})
		case len(have) == 0:
			all = append(all, Misfit{need, "is needed by strategy " + strategy})
		case len(have) > 1 && strings.HasPrefix(need, "jwks"):
			all = append(all, Misfit{have[1], "stands beside " + have[0] + "; keys come from one place"})
		}
	}
	for _, k := range set {
		if !contains(allowed, k) {
			all = append(all, Misfit{k, "does not go with the other keys of strategy " + strategy + "; these do: " + strings.Join(slices.Sorted(slices.Values(allowed)), ", ")})
		}
	}
	return all
}

func (o Options) checkAlgorithms(s Secrets) string {
	shared := s.Shared != nil
	for _, a := range o.Algorithms {
		switch alg := jose.SignatureAlgorithm(a); {
		case !slices.Contains(publicAlgorithms(), alg) && !slices.Contains(sharedAlgorithms(), alg):
			return "names one that is not known or not safe"
		case slices.Contains(sharedAlgorithms(), alg) != shared:
			return "mixes HS*, which is for secret alone, with public keys"
		}
	}
	return ""
}

func strategies() []string {
	return []string{strategySigV4, strategyGoogle, strategyOAuth, strategyGCP, strategySmart, strategyBearer}
}

func publicAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

func sharedAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
}

// googleIssuers are the two ways in which Google writes its name.
func googleIssuers() []string { return []string{"https://accounts.google.com", "accounts.google.com"} }

// algorithms are those that are configured, or else those that are usual.
func (o Options) algorithms(usual ...jose.SignatureAlgorithm) []jose.SignatureAlgorithm {
	if len(o.Algorithms) == 0 {
		return usual
	}
	var named []jose.SignatureAlgorithm
	for _, a := range o.Algorithms {
		named = append(named, jose.SignatureAlgorithm(a))
	}
	return named
}
