package config

import (
	"strings"

	"syncd/extract/redox/auth"
)

// checkStrategy judges [redox.NAME.auth], and says whether it has anything to ask another server for. Package auth knows which
// keys go together; whatever is wrong with one is told where it stands, and what is missing at the table.
func (l *loader) checkStrategy(c *Config, r *Receiver, section *node) (asks bool) {
	for _, key := range []string{"issuer", "subject", "email", "region", "service", "tokeninfo_url", "jwks_url", "jwks_file", "introspection_url"} {
		n := r.set["auth."+key]
		switch {
		case n == nil || n.kind != textKind:
		case n.text == "":
			l.add(n.problem("is empty: leave the key out"))
		case strings.TrimSpace(n.text) != n.text:
			l.add(n.problem("begins or ends with a blank: it is compared exactly"))
		}
	}
	if n := r.set["auth.strategy"]; n != nil && n.refused {
		return false
	}
	options, secrets := r.Auth.given()
	for _, m := range options.Check(secrets, c.Serve.PublicURL) {
		switch n := r.set["auth."+m.Key]; {
		case n == nil:
			l.missing(section, section.path+"."+m.Key, "%s", m.Reason)
		case n.refused: // that was said
		case strings.HasSuffix(m.Key, "_url"), m.Key == "clock_window":
			l.add(n.problem("%s", m.Reason))
		default:
			l.add(n.wrong("%s", m.Reason))
		}
	}
	return r.Auth.JWKSURL != "" || r.Auth.IntrospectionURL != "" ||
		(r.Auth.Strategy == "google-wif" || r.Auth.Strategy == "oauth2-jwt-bearer-gcp") && r.Auth.JWKSFile == ""
}

// given are options and secrets as far as they are set: their values are not known here.
func (a Auth) given() (auth.Options, auth.Secrets) {
	const there = "set"
	options := a.Options
	for _, id := range []struct {
		of   Secret
		into *string
	}{{a.AccessKey, &options.AccessKey}, {a.AccessKeyOld, &options.AccessKeyOld}, {a.ClientID, &options.ClientID}} {
		if !id.of.IsZero() {
			*id.into = there
		}
	}
	is := func(s Secret) auth.Secret {
		if s.IsZero() {
			return nil
		}
		return func() ([]byte, error) { return []byte(there), nil }
	}
	return options, auth.Secrets{
		SecretKey: is(a.SecretKey), SecretKeyOld: is(a.SecretKeyOld), SessionToken: is(a.SessionToken),
		ClientSecret: is(a.ClientSecret), ClientSecretOld: is(a.ClientSecretOld), Shared: is(a.Secret), SharedOld: is(a.SecretOld),
	}
}
