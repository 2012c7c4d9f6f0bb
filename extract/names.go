package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// nameBytes is the longest identifier Postgres keeps whole.
const nameBytes = 63

// reserved are names that a column cannot have (system columns).
var reserved = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

// PostgresName maps a source's name to the identifier that stands for it: the name itself where that will do,
// else a UTF-8-safe prefix, an underscore and 8 hex digits of its sha256. The same name always maps to
// the same identifier. Names over 63 bytes, empty, beginning with '_' or a digit, reserved, or with anything but
// a-z, 0-9 and _ are mapped.
func PostgresName(source string) string {
	if plain(source) && len(source) <= nameBytes && !reserved[source] {
		return source
	}
	return hashedName(source)
}

// PostgresNames maps a list of names that must stay apart: a name that maps to one already taken is hashed with
// its position among its equals.
func PostgresNames(sources []string) []string {
	taken := make(map[string]bool, len(sources))
	names := make([]string, len(sources))
	for i, s := range sources {
		n := PostgresName(s)
		for salt := s; taken[n]; {
			salt += "\x00"
			n = hashedNameOf(s, salt)
		}
		taken[n] = true
		names[i] = n
	}
	return names
}

func hashedName(s string) string { return hashedNameOf(s, s) }

func hashedNameOf(s, hashed string) string {
	sum := sha256.Sum256([]byte(hashed))
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r != utf8.RuneError:
			b.WriteByte('_')
		}
	}
	prefix := strings.TrimLeft(b.String(), "_")
	if prefix == "" || prefix[0] >= '0' && prefix[0] <= '9' {
		prefix = "c_" + prefix
	}
	if limit := nameBytes - 9; len(prefix) > limit {
		prefix = prefix[:limit]
	}
	return prefix + "_" + hex.EncodeToString(sum[:4])
}

func plain(s string) bool {
	if s == "" || s[0] == '_' || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
