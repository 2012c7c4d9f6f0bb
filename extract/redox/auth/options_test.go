package auth

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// all are secrets of every name.
func all() Secrets {
	s := text("secret")
	return Secrets{SecretKey: s, ClientSecret: s, Shared: s}
}

// Options that do not go together are told by the key at fault.
func TestOptionsAreCheckedAsAWhole(t *testing.T) {
	var (
		sig    = Options{Strategy: strategySigV4, AccessKey: "a", Region: "r", Service: "s"}
		google = Options{Strategy: strategyGoogle, Audience: []string{"1"}}
		own    = Options{Strategy: strategyOAuth, ClientID: "c"}
		jwks   = Options{Strategy: strategyOAuth, JWKSURL: "https://i.example.org/keys", Issuer: "i", Audience: []string{"a"}}
		asked  = Options{Strategy: strategyOAuth, IntrospectionURL: "https://i.example.org/ask", ClientID: "c"}
		gcp    = Options{Strategy: strategyGCP, Issuer: "redox@p.iam.gserviceaccount.com", JWKSFile: "keys.json"}
		smart  = Options{Strategy: strategySmart, ClientID: "c", JWKSFile: "keys.json"}
		jwt    = Options{Strategy: strategyBearer, Issuer: "i", JWKSFile: "keys.json"}
		s      = text("secret")
	)
	change := func(o Options, f func(*Options)) Options { f(&o); return o }
	for _, row := range []struct {
		name    string
		options Options
		secrets Secrets
		public  string
		key     string
	}{
		{"sigv4", sig, Secrets{SecretKey: s}, "", ""},
		{"sigv4 with all", change(sig, func(o *Options) { o.AccessKeyOld, o.ClockWindow = "b", time.Minute }), Secrets{SecretKey: s, SecretKeyOld: s, SessionToken: s}, "", ""},
		{"sigv4 without secret", sig, Secrets{}, "", "secret_key"},
		{"sigv4 without region", change(sig, func(o *Options) { o.Region = "" }), Secrets{SecretKey: s}, "", "region"},
		{"sigv4 with a wide window", change(sig, func(o *Options) { o.ClockWindow = time.Hour }), Secrets{SecretKey: s}, "", "clock_window"},
		{"sigv4 with a scope", change(sig, func(o *Options) { o.Scope = "x" }), Secrets{SecretKey: s}, "", "scope"},
		{"google", google, Secrets{}, "", ""},
		{"google without audience", change(google, func(o *Options) { o.Audience = nil }), Secrets{}, "", "audience"},
		{"google by http", change(google, func(o *Options) { o.TokeninfoURL = "http://i.example.org/tokeninfo" }), Secrets{}, "", "tokeninfo_url"},
		{"google by ID token, of anybody", change(google, func(o *Options) { o.JWKSURL = "https://i.example.org/keys" }), Secrets{}, "", "email"},
		{"google by ID token", change(google, func(o *Options) { o.JWKSURL, o.Email = "https://i.example.org/keys", "e" }), Secrets{}, "", ""},
		{"oauth2 of our own", own, Secrets{ClientSecret: s, ClientSecretOld: s}, "", ""},
		{"oauth2 of our own without secret", own, Secrets{}, "", "client_secret"},
		{"oauth2 of our own with an issuer", change(own, func(o *Options) { o.Issuer = "i" }), Secrets{ClientSecret: s}, "", "issuer"},
		{"oauth2 by keys", jwks, Secrets{}, "", ""},
		{"oauth2 by keys without issuer", change(jwks, func(o *Options) { o.Issuer = "" }), Secrets{}, "", "issuer"},
		{"oauth2 by keys without audience", change(jwks, func(o *Options) { o.Audience = nil }), Secrets{}, "", "audience"},
		{"oauth2 by keys from two places", change(jwks, func(o *Options) { o.JWKSFile = "keys.json" }), Secrets{}, "", "jwks_file"},
		{"oauth2 by keys that http brings", change(jwks, func(o *Options) { o.JWKSURL = "http://i.example.org/keys" }), Secrets{}, "", "jwks_url"},
		{"oauth2 by keys that http brings from a name like ours", change(jwks, func(o *Options) { o.JWKSURL = "http://localhost.example.org/keys" }), Secrets{}, "", "jwks_url"},
		{"oauth2 by keys of this machine", change(jwks, func(o *Options) { o.JWKSURL = "http://127.0.0.1:8888/keys" }), Secrets{}, "", ""},
		{"oauth2 by keys of this machine, by name", change(jwks, func(o *Options) { o.JWKSURL = "http://localhost:8888/keys" }), Secrets{}, "", ""},
		{"oauth2 by asking this machine", change(asked, func(o *Options) { o.IntrospectionURL = "http://[::1]:8888/ask" }), Secrets{ClientSecret: s}, "", ""},
		{"oauth2 by keys with a password", change(jwks, func(o *Options) { o.JWKSURL = "https://u:p@i.example.org/keys" }), Secrets{}, "", "jwks_url"},
		{"oauth2 by asking", asked, Secrets{ClientSecret: s}, "", ""},
		{"oauth2 by asking without secret", asked, Secrets{}, "", "client_secret"},
		{"gcp at our endpoint", gcp, Secrets{}, publicURL, ""},
		{"gcp at our endpoint, without an address", gcp, Secrets{}, "", "audience"},
		{"gcp at our endpoint without keys", change(gcp, func(o *Options) { o.JWKSFile = "" }), Secrets{}, publicURL, "jwks_url"},
		{"gcp as Google", Options{Strategy: strategyGCP, Audience: []string{"1"}}, Secrets{}, "", ""},
		{"smart", smart, Secrets{}, publicURL, ""},
		{"smart with an audience of its own", change(smart, func(o *Options) { o.Audience = []string{"a"} }), Secrets{}, "", ""},
		{"smart without an address", smart, Secrets{}, "", "audience"},
		{"smart without keys", change(smart, func(o *Options) { o.JWKSFile = "" }), Secrets{}, publicURL, "jwks_url"},
		{"smart with two places of keys", change(smart, func(o *Options) { o.JWKSURL = "https://i.example.org/keys" }), Secrets{}, publicURL, "jwks_file"},
		{"smart with HS256", change(smart, func(o *Options) { o.Algorithms = []string{"HS256"} }), Secrets{}, publicURL, "algorithms"},
		{"smart with none", change(smart, func(o *Options) { o.Algorithms = []string{"none"} }), Secrets{}, publicURL, "algorithms"},
		{"smart with an empty audience", change(smart, func(o *Options) { o.Audience = []string{""} }), Secrets{}, publicURL, "audience"},
		{"jwt", jwt, Secrets{}, publicURL, ""},
		{"jwt by secret", change(jwt, func(o *Options) { o.JWKSFile = "" }), Secrets{Shared: s, SharedOld: s}, publicURL, ""},
		{"jwt by secret with RS256", change(jwt, func(o *Options) { o.JWKSFile, o.Algorithms = "", []string{"RS256"} }), Secrets{Shared: s}, publicURL, "algorithms"},
		{"jwt by secret and keys", jwt, Secrets{Shared: s}, publicURL, "jwks_file"},
		{"jwt without issuer", change(jwt, func(o *Options) { o.Issuer = "" }), Secrets{}, publicURL, "issuer"},
		{"none", Options{}, Secrets{}, "", "strategy"},
		{"unknown", Options{Strategy: "mtls"}, Secrets{}, "", "strategy"},
	} {
		misfits := row.options.Check(row.secrets, row.public)
		key := ""
		for _, m := range misfits {
			if key == "" {
				key = m.Key
			}
			if m.Key == "" || m.Reason == "" {
				t.Errorf("%s: a misfit of nothing: %+v", row.name, m)
			}
		}
		if key != row.key {
			t.Errorf("%s: %v, want %q", row.name, misfits, row.key)
		}
		if key == "" && row.options.Strategy != "" {
			if _, err := New(Config{Options: row.options, Secrets: row.secrets, PublicURL: row.public, Path: receiver, Store: newMemory(always(noon))}); err != nil {
				t.Errorf("%s: no gate: %v", row.name, err)
			}
		}
	}
}

// All that is wrong is told at once.
func TestEveryMisfitIsTold(t *testing.T) {
	o := Options{Strategy: strategySigV4, Scope: "x", ClockWindow: time.Hour}
	var keys []string
	for _, m := range o.Check(Secrets{}, "") {
		keys = append(keys, m.Key)
	}
	if got := strings.Join(keys, " "); got != "access_key secret_key region service scope clock_window" {
		t.Errorf("misfits: %s", got)
	}
}

// Every key is known to the check, whatever it is called: a key that it overlooked would be one that does nothing.
func TestNoKeyIsOverlooked(t *testing.T) {
	v := reflect.New(reflect.TypeFor[Options]()).Elem()
	names := map[string]bool{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("toml")
		if field.Tag.Get("doc") == "" {
			t.Errorf("%s has no sentence", name)
		}
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString("x")
		case []string:
			f.Set(reflect.ValueOf([]string{"x"}))
		case bool:
			f.SetBool(true)
		}
		if name != "strategy" && name != "clock_window" { // the one names the form, the other has a default
			names[name] = true
		}
	}
	given := v.Interface().(Options).given(all())
	for name := range names {
		if !slices.Contains(given, name) {
			t.Errorf("%s is not looked at", name)
		}
	}
	used := map[string]bool{}
	for _, strategy := range strategies() {
		for _, u := range usages(strategy) {
			for _, k := range append(slices.Clone(u.optional), u.required...) {
				for name := range strings.SplitSeq(k, "|") {
					used[name] = true
				}
			}
		}
	}
	for name := range names {
		if !used[name] {
			t.Errorf("%s belongs to no strategy", name)
		}
	}
}
