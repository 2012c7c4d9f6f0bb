package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

const (
	redacted         = "[redacted]"
	databasePassword = "holds a password: keep the URL elsewhere and refer to it with env:NAME or file:PATH"
	secretForms      = "a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS"
)

// Secret is a reference to a secret, never the secret. However it is printed or encoded, it shows "[redacted]";
// Ref shows where the secret is kept.
type Secret struct {
	scheme string // env, file, cred, cmd; url: a database's URL that holds no secret; plain: an id that is none
	arg    string // name, path or command line; paths as they are opened
}

// IsZero says that no secret is referred to.
func (s Secret) IsZero() bool { return s.scheme == "" }

// Ref returns the reference as a person may see it: of a command its path alone.
func (s Secret) Ref() string {
	switch s.scheme {
	case "":
		return ""
	case "url", "plain":
		return s.arg
	case "cmd":
		path, _, more := strings.Cut(s.arg, " ")
		if more {
			path += " ..."
		}
		return "cmd:" + path
	}
	return s.scheme + ":" + s.arg
}

// String, GoString, MarshalText, MarshalJSON and LogValue all hide the reference as well: what they are given to is
// not known.
func (s Secret) String() string { return redacted }

// GoString is String for %#v.
func (s Secret) GoString() string { return redacted }

// MarshalText is String for encoders of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is String for encoders of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue is String for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

var (
	environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credentialName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	tokenShape      = regexp.MustCompile(`[0-9A-Fa-f]{24,}`)
)

// parseSecret reads a reference. The reason never quotes the text, which may be the secret itself.
func parseSecret(text string, resolve func(path string) string) (Secret, string) {
	scheme, arg, ok := strings.Cut(text, ":")
	if !ok || looksSecret(arg) && (scheme == "env" || scheme == "cred") {
		return Secret{}, "must be " + secretForms + "; a secret itself is not accepted here"
	}
	s := Secret{scheme: scheme, arg: arg}
	if strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Secret{}, "holds a control character"
	}
	switch scheme {
	case "env":
		if !environmentName.MatchString(arg) {
			return Secret{}, "env: needs the name of an environment variable (letters, digits and _)"
		}
	case "file":
		if arg == "" {
			return Secret{}, "file: needs a path"
		}
		s.arg = resolve(arg)
	case "cred":
		if !credentialName.MatchString(arg) {
			return Secret{}, "cred: needs the name of a systemd credential, not a path"
		}
	case "cmd":
		if !strings.HasPrefix(arg, "/") {
			return Secret{}, "cmd: needs the absolute path of a program"
		}
		if strings.ContainsAny(arg, "\"'`\\|&;<>$") {
			return Secret{}, "cmd: is split at its spaces and run without a shell: quotes, pipes and variables mean nothing there; name a script instead"
		}
	case "postgres", "postgresql":
		return parseDatabase(text)
	default:
		return Secret{}, "must be " + secretForms + "; a secret itself is not accepted here"
	}
	return s, ""
}

// parseDatabase accepts a database's URL in the place of a reference where it holds no secret.
func parseDatabase(text string) (Secret, string) {
	u, err := url.Parse(text)
	if err != nil {
		return Secret{}, "is not the URL of a database"
	}
	_, password := u.User.Password()
	for k := range u.Query() {
		password = password || strings.Contains(strings.ToLower(k), "password")
	}
	if password {
		return Secret{}, databasePassword
	}
	return Secret{scheme: "url", arg: text}, ""
}

// File refers to a secret in a file.
func File(path string) Secret { return Secret{scheme: "file", arg: path} }

// CheckReference says why a text cannot stand where a secret is referred to, or the URL of a database; it does not repeat it.
func CheckReference(text string) error {
	if _, reason := parseSecret(text, func(path string) string { return path }); reason != "" {
		return fmt.Errorf("it %s", reason)
	}
	return nil
}

// HoldsPassword reports whether a text is the URL of a database with a password in it.
func HoldsPassword(text string) bool {
	if scheme, _, _ := strings.Cut(text, ":"); scheme != "postgres" && scheme != "postgresql" {
		return false
	}
	_, reason := parseDatabase(text)
	return reason == databasePassword
}

// looksSecret says that a text may hold a secret and is better not shown: a token, a user's password in a URL, a query.
func looksSecret(text string) bool {
	for _, run := range tokenShape.FindAllString(text, -1) {
		if strings.ContainsAny(run, "0123456789") {
			return true
		}
	}
	_, rest, ok := strings.Cut(text, "://")
	return ok && strings.ContainsAny(rest, "@?") || strings.Contains(strings.ToLower(text), "password")
}
