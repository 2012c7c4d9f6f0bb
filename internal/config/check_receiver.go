package config

import (
	"regexp"
	"slices"
	"strings"
)

// What max_body may be, in bytes: Redox sends up to 40 MB, and Postgres holds no value above 1 GB.
const (
	leastBody = 1 << 10
	mostBody  = 512 << 20
)

// tokensAtOnce is how many verification tokens may be valid at once: each is compared with every request.
const tokensAtOnce = 16

var pathShape = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// checkReceiver judges a receiver.
func (l *loader) checkReceiver(c *Config, r *Receiver) {
	l.checkPath(c, r)
	if n := r.set["schema"]; n != nil && n.kind == textKind {
		if reason := badName(r.Schema); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
	l.checkKept(r.set, "retention", "deleted_retention")
	if n := r.set["max_body"]; n != nil && r.MaxBody != 0 && (r.MaxBody < leastBody || r.MaxBody > mostBody) {
		l.add(n.problem("must be from 1KiB to 512MiB; Redox sends up to 40 MB, and what is larger is refused for ever"))
	}
	if n := r.set["verification_tokens"]; len(r.Tokens) > tokensAtOnce {
		l.add(n.problem("names %d tokens; at most %d may be valid at once", len(r.Tokens), tokensAtOnce))
	}
	auth := r.set["auth"]
	if auth == nil && len(r.Tokens) == 0 && wellFormed(r.set["verification_tokens"]) {
		l.missing(r.node, r.node.path+".verification_tokens", "is missing: without it, and without [%s.auth], anybody could push; syncd redox setup %s makes a token", r.node.path, r.Name)
	}
	if n := r.set["handshake_requires_credential"]; n != nil && r.HandshakeRequiresCredential && auth == nil {
		l.add(n.problem("needs [%s.auth]: without it there is no credential", r.node.path))
	}
	l.checkReach(r.set, r.Config)
	asks := auth != nil && auth.kind == tableKind && l.checkStrategy(c, r, auth)
	for _, k := range []string{"timeout", "ca_file", "ca_only", "proxy", "client_cert", "client_key", "contact"} {
		if n := r.set[k]; n != nil && !asks && (auth == nil || r.Credentialed()) {
			l.add(n.wrong("is for asking jwks_url, tokeninfo_url or introspection_url, and this receiver asks none"))
		}
	}
}

// wellFormed says that a key is not there, or a list without elements: what is wrong with others was said.
func wellFormed(n *node) bool { return n == nil || n.kind == listKind && len(n.kids) == 0 }

// ours are the paths below a receiver's that are served beside it.
func ours() []string { return []string{"/oauth/token", "/.well-known/smart-configuration"} }

// checkPath judges where a receiver is found. Receivers are told apart by their exact paths.
func (l *loader) checkPath(c *Config, r *Receiver) {
	n := r.set["path"]
	if n == nil {
		l.missing(r.node, r.node.path+".path", "is missing: the path of the URL that Redox pushes to; syncd redox setup %s makes one that nobody guesses", r.Name)
		return
	}
	if n.kind != textKind {
		return
	}
	segments := strings.Split(r.Path, "/")
	switch {
	case !strings.HasPrefix(r.Path, "/"):
		l.add(n.problem("must begin with /, such as /redox/%s-7f3c", r.Name))
	case !pathShape.MatchString(r.Path), slices.Contains(segments, "."), slices.Contains(segments, ".."):
		l.add(n.problem("must be made of letters, digits and . _ ~ - between single slashes, without one at its end"))
	}
	for _, name := range c.ReceiverNames() {
		other := c.Receivers[name]
		taken := []string{other.Path}
		for _, below := range ours() {
			taken = append(taken, other.Path+below)
			if r.Path+below == other.Path {
				taken = append(taken, r.Path)
			}
		}
		if slices.Contains(taken, r.Path) {
			l.add(n.problem("is taken by receiver %s already (%s)", name, other.node.at))
			return
		}
	}
}
