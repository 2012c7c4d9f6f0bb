package config

import (
	"slices"
	"strings"
	"time"
)

// form is one way in which a strategy is configured: the keys that belong to it beside strategy itself.
type form struct {
	name   string   // as problems name it
	needed []string // one of the alternatives each, apart by |
	may    []string
	asks   bool // a URL that has a default
	aud    bool // our own token endpoint is the audience where no other is named
}

// mostWindow bounds clock_window.
const mostWindow = 15 * time.Minute

// Keys of which one is needed.
const (
	keySet  = "jwks_url|jwks_file"
	bearing = "jwks_url|jwks_file|secret"
)

// formOf finds the form from the keys that are there.
func (r *Receiver) formOf() form {
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return r.set["auth."+k] != nil })
	}
	idToken := form{needed: []string{"audience", "email|subject"}, may: []string{"jwks_url", "jwks_file", "issuer"}, asks: true}
	tokeninfo := form{needed: []string{"audience"}, may: []string{"tokeninfo_url", "scope"}, asks: true}
	switch strategy := r.Auth.Strategy; strategy {
	case "aws-sigv4":
		return form{
			name: strategy, needed: []string{"access_key", "secret_key", "region", "service"},
			may: []string{"access_key_old", "secret_key_old", "session_token", "clock_window"},
		}
	case "google-wif":
		if has("jwks_url", "jwks_file", "issuer", "email", "subject") {
			return idToken.as(strategy + " with ID tokens")
		}
		return tokeninfo.as(strategy)
	case "oauth2":
		switch {
		case has("introspection_url"):
			return form{name: strategy + " with introspection_url", needed: []string{"introspection_url", "client_id", "client_secret"}, may: []string{"issuer", "audience", "scope", "subject"}}
		case has("jwks_url", "jwks_file"):
			return form{name: strategy + " with an issuer's keys", needed: []string{keySet, "issuer", "audience"}, may: []string{"scope", "subject", "client_id", "algorithms"}}
		}
		return form{name: strategy, needed: []string{"client_id", "client_secret"}, may: []string{"client_secret_old", "scope"}}
	case "oauth2-jwt-bearer-gcp":
		switch {
		case has("email"):
			return idToken.as(strategy + " with ID tokens")
		case has("jwks_url", "jwks_file"):
			return form{name: strategy + " with our token endpoint", needed: []string{keySet, "issuer"}, may: []string{"subject", "audience", "scope", "algorithms"}, aud: true}
		}
		return tokeninfo.as(strategy)
	case "smart-backend":
		return form{name: strategy, needed: []string{"client_id", keySet}, may: []string{"scope", "audience", "algorithms"}, aud: true}
	case "jwt-bearer":
		if r.Auth.Grant {
			return form{name: strategy + " with grant", needed: []string{bearing, "issuer"}, may: []string{"grant", "subject", "audience", "scope", "algorithms", "secret_old"}, aud: true}
		}
		return form{name: strategy, needed: []string{bearing, "issuer", "audience"}, may: []string{"grant", "subject", "algorithms", "secret_old"}}
	}
	return form{}
}

func (f form) as(name string) form {
	f.name = name
	return f
}

// checkStrategy judges [redox.NAME.auth], and says whether it has anything to ask another server for.
func (l *loader) checkStrategy(c *Config, r *Receiver, section *node) (asks bool) {
	if r.set["auth.strategy"] == nil {
		l.missing(section, section.path+".strategy", "is missing: one of aws-sigv4, google-wif, oauth2, oauth2-jwt-bearer-gcp, smart-backend, jwt-bearer")
	}
	f := r.formOf()
	if f.name == "" {
		return false // said already
	}
	allowed := append([]string{"strategy"}, f.may...)
	for _, alternatives := range f.needed {
		keys := strings.Split(alternatives, "|")
		allowed = append(allowed, keys...)
		l.needs(r, section, f, keys)
	}
	for _, n := range section.kids {
		if r.set["auth."+n.key] != nil && !slices.Contains(allowed, n.key) {
			slices.Sort(allowed)
			l.add(n.wrong("does not belong to strategy %s; its keys are %s", f.name, strings.Join(allowed, ", ")))
		}
	}
	if f.aud && r.set["auth.audience"] == nil && c.set["serve.public_url"] == nil {
		l.missing(section, section.path+".audience", "is missing: write the URL of the token endpoint here, or public_url under [serve]")
	}
	l.checkAsked(r)
	l.checkAlgorithms(r)
	return f.asks || r.set["auth.jwks_url"] != nil || r.set["auth.introspection_url"] != nil
}

// needs refuses a form in which none of several keys is there, or more than one.
func (l *loader) needs(r *Receiver, section *node, f form, keys []string) {
	var first *node
	for _, k := range keys {
		n := r.set["auth."+k]
		switch {
		case n != nil && first == nil:
			first = n
		case n != nil && !slices.Contains(keys, "email"): // an ID token may be held to both
			l.add(n.wrong("contradicts %s at %s: name one of them", first.key, first.at))
		}
	}
	if first == nil {
		l.missing(section, section.path+"."+keys[0], "is missing: strategy %s needs %s", f.name, strings.Join(keys, " or "))
	}
}

// checkAsked judges what is asked: the URLs and the files.
func (l *loader) checkAsked(r *Receiver) {
	for key, url := range map[string]string{
		"jwks_url": r.Auth.JWKSURL, "tokeninfo_url": r.Auth.TokeninfoURL, "introspection_url": r.Auth.IntrospectionURL,
	} {
		if n := r.set["auth."+key]; n != nil && n.kind == textKind {
			if reason := badOpenURL(url); reason != "" {
				l.add(n.problem("%s", reason))
			}
		}
	}
	l.notEmpty(r.set, "auth.jwks_file")
	for _, key := range []string{"issuer", "subject", "email", "region", "service"} {
		if n := r.set["auth."+key]; n != nil && n.kind == textKind && strings.TrimSpace(n.text) != n.text {
			l.add(n.problem("begins or ends with a blank: it is compared exactly"))
		} else if n != nil && n.kind == textKind && n.text == "" {
			l.add(n.problem("is empty: leave the key out"))
		}
	}
	if n := r.set["auth.audience"]; wellFormed(n) && n != nil {
		l.add(n.problem("names nobody: leave the key out"))
	}
	if n, w := r.set["auth.clock_window"], r.Auth.ClockWindow; n != nil && w > mostWindow {
		l.add(n.problem("must be at most %s: a signature is worth no more by then", shortDuration(mostWindow)))
	}
}

// checkAlgorithms refuses to verify with a shared secret what public keys are for, and the other way round.
func (l *loader) checkAlgorithms(r *Receiver) {
	n := r.set["auth.algorithms"]
	if n == nil || n.kind != listKind {
		return
	}
	if len(n.kids) == 0 {
		l.add(n.problem("names none: leave the key out"))
	}
	shared := r.set["auth.secret"] != nil
	for _, a := range r.Auth.Algorithms {
		if strings.HasPrefix(a, "HS") != shared {
			what := "public keys: HS256, HS384 and HS512 go with secret"
			if shared {
				what = "a secret: that takes HS256, HS384 and HS512"
			}
			l.add(n.wrong("names %s, which cannot be verified with %s", a, what))
			return
		}
	}
}
