package engage

import (
	"net/netip"
	"strings"
)

// The two ways in. Which one a campus has is decided by the key that it was given, not by the dialect.
const (
	authSigned = "signed"
	authHeader = "header"
	// autoPrefix stands before the address of a page that says from which address we come.
	autoPrefix = "auto:"
)

// Access says how a campus lets us in. Its keys stand in [engage.NAME] in jobs.toml, beside the secrets.
type Access struct {
	Auth string `toml:"auth" default:"signed" oneof:"signed,header" doc:"How requests show who asks: signed with a public and a private key, or by the header X-Engage-Api-Key."`
	Hash string `toml:"hash" otherwise:"sha256" oneof:"md5,sha256,sha384,sha512" doc:"The algorithm of the signature, with auth = \"signed\". It was fixed when the key was issued; nothing in an answer tells it."`
	IP   string `toml:"ip" otherwise:"none: the key is not restricted to an address" doc:"The IPv4 address that the key is restricted to, as the campus registered it: it is part of the signature. auto:https://... asks a page of your own, outside of your network, that answers the address that it sees as plain text."`
}

// Mistake is what is wrong with one key of [engage.NAME].
type Mistake struct {
	Key    string // as it is written in jobs.toml
	Reason string // follows the key: "is needed with auth = ..."
}

// Check finds what contradicts itself. public, private and api say whether that secret is configured.
func (a Access) Check(public, private, api bool) []Mistake {
	var found []Mistake
	add := func(wrong bool, key, reason string) {
		if wrong {
			found = append(found, Mistake{key, reason})
		}
	}
	switch a.auth() {
	case authSigned:
		const reason = `is needed with auth = "signed"`
		add(!public, "public_key", reason)
		add(!private, "private_key", reason)
		add(api, "api_key", `is for auth = "header", and this is "signed"`)
		_, known := algorithms()[a.hash()]
		add(!known, "hash", "is none of md5, sha256, sha384, sha512")
		if why := ipFault(a.IP); why != "" {
			add(true, "ip", why)
		}
	case authHeader:
		const reason = `is for auth = "signed", and this is "header"`
		add(!api, "api_key", `is needed with auth = "header"`)
		add(public, "public_key", reason)
		add(private, "private_key", reason)
		add(a.Hash != "", "hash", reason)
		add(a.IP != "", "ip", reason)
	default:
		add(true, "auth", "is neither signed nor header")
	}
	return found
}

func (a Access) auth() string {
	if a.Auth == "" {
		return authSigned
	}
	return a.Auth
}

func (a Access) hash() string {
	if a.Hash == "" {
		return "sha256"
	}
	return a.Hash
}

// ipFault says what is wrong with the key ip; nothing where it is absent or right.
func ipFault(ip string) string {
	if ip == "" {
		return ""
	}
	if page, auto := strings.CutPrefix(ip, autoPrefix); auto {
		if page == "" {
			return "names no page after auto:"
		}
		return "" // the client looks at the URL
	}
	if _, ok := dotted(ip); !ok {
		return "is not an IPv4 address such as 203.0.113.7, and not auto:https://..."
	}
	return ""
}

// dotted reads an IPv4 address. Its text is what is signed, so there is one way to write it.
func dotted(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr, err == nil && addr.Is4()
}
