package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"syncd/extract/upstream"
	"syncd/schedule"
)

var (
	nameShape         = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	installationShape = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
)

// CheckName says why a name cannot be one of a job, receiver or server.
func CheckName(name string) error {
	if reason := badName(name); reason != "" {
		return fmt.Errorf("name %s: %s", shown(name), reason)
	}
	return nil
}

// badName tells why a name cannot be one of a job, server or schema.
func badName(name string) string {
	if !nameShape.MatchString(name) {
		return "a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"
	}
	if slices.Contains([]string{"syncd", "public", "information_schema"}, name) || strings.HasPrefix(name, "pg_") {
		return "the name is taken by Postgres or by syncd itself"
	}
	for _, suffix := range []string{"_labels", "_deid", "_meta", "_deleted", "_history", "_test"} {
		if strings.HasSuffix(name, suffix) {
			return "a name does not end in " + suffix + ", which marks the side schemas that syncd makes"
		}
	}
	return ""
}

func (l *loader) checkTop(c *Config, root *node) {
	zone, err := schedule.Zone(c.Timezone)
	if err != nil && c.set["timezone"] != nil {
		l.add(c.set["timezone"].bad(err))
	}
	c.Zone = zone

	url, private := c.set["postgres.url"], c.set["postgres.private"]
	at := root
	if p := root.kid("postgres"); p != nil {
		at = p
	}
	switch {
	case url != nil && c.Postgres.Private:
		l.add(private.problem("contradicts url: name one Postgres, at %s or a private one", url.at))
	case c.Postgres.Private && c.DataDir == "":
		l.add(private.problem("needs data_dir at top level, the folder that the private Postgres lives in"))
	case url == nil && !c.Postgres.Private:
		l.missing(at, "postgres.url", `is missing: write url = "env:DATABASE_URL" under [postgres]`)
	}
	if n := c.set["postgres.migrate_url"]; n != nil && c.Postgres.Private {
		l.add(n.problem("contradicts private: the private Postgres, at %s, has one role", private.at))
	}
	if n := c.set["installation"]; n != nil && n.kind == textKind {
		if !installationShape.MatchString(c.Installation) {
			l.add(n.problem("is 1 to 40 lower-case letters, digits, underscores and hyphens and begins with a letter"))
		}
	}
	l.checkServe(c)
	l.checkPurge(c)
}

func (l *loader) checkServe(c *Config) {
	for key, address := range map[string]string{"listen": c.Serve.Listen, "admin": c.Serve.Admin} {
		if n := c.set["serve."+key]; n != nil && n.kind == textKind {
			if reason := badAddress(address); reason != "" {
				l.add(n.problem("%s", reason))
			}
		}
	}
	if n := c.set["serve.listen"]; n != nil && c.Serve.Listen == c.Serve.Admin && !strings.HasSuffix(c.Serve.Listen, ":0") {
		l.add(n.problem("is the address of admin as well: what is for this machine is not served to the world"))
	}
	l.pair(c.set, "serve.cert_file", "serve.key_file")
	if n := c.set["serve.public_url"]; n != nil && n.kind == textKind {
		if reason := badOpenURL(c.Serve.PublicURL); reason != "" {
			l.add(n.problem("%s", reason))
		}
		c.Serve.PublicURL = strings.TrimRight(c.Serve.PublicURL, "/")
	}
	for _, text := range c.Serve.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); e == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			l.add(c.set["serve.trusted_proxies"].problem("element %s is neither an address nor a network such as 10.0.0.0/8", shown(text)))
		}
		c.Serve.Proxies = append(c.Serve.Proxies, prefix.Masked())
	}
}

// pair refuses a certificate without its key, and a key without its certificate; and names that are empty.
func (l *loader) pair(set settings, certKey, keyKey string) {
	cert, key := set[certKey], set[keyKey]
	if cert != nil && key == nil {
		l.add(cert.problem("needs %s, the key of that certificate", keyKey[strings.LastIndex(keyKey, ".")+1:]))
	}
	if key != nil && cert == nil {
		l.add(key.problem("needs %s, the certificate of that key", certKey[strings.LastIndex(certKey, ".")+1:]))
	}
	l.notEmpty(set, certKey, keyKey)
}

// notEmpty refuses names of files that are empty.
func (l *loader) notEmpty(set settings, keys ...string) {
	for _, key := range keys {
		if n := set[key]; n != nil && n.kind == textKind && n.text == "" {
			l.add(n.problem("is empty: name a file, or leave the key out"))
		}
	}
}

// bad words an error of a package that quotes what it was given.
func (n *node) bad(err error) Problem {
	if looksSecret(n.text) {
		return n.problem("is not understood")
	}
	return n.problem("%v", err)
}

func badAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return `must be host:port, such as "127.0.0.1:8081"`
	}
	if p, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(p, 10) != port {
		return "must end in a port from 0 to 65535"
	}
	if strings.ContainsAny(host, " \t/") {
		return "has a host that is none"
	}
	return ""
}

func (l *loader) checkServer(c *Config, s *Server) {
	loopback := false
	if n := s.set["url"]; n == nil {
		l.missing(s.node, s.node.path+".url", "is missing: the server's API URL, such as %s", redcapURL)
	} else if n.kind == textKind {
		var reason string
		if loopback, reason = badURL(s.URL, true); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
	s.Zone = c.Zone
	if n := s.set["timezone"]; n != nil && n.kind == textKind {
		zone, err := schedule.Zone(s.Timezone)
		if err != nil {
			l.add(n.bad(err))
		}
		s.Zone = zone
	} else {
		s.Timezone = c.Timezone
		s.set["timezone"] = c.set["timezone"]
	}
	if n := s.set["requests_per_minute"]; n != nil && n.kind == numberKind {
		switch {
		case s.RequestsPerMinute < 0 || s.RequestsPerMinute > 60_000:
			l.add(n.problem("must be from 1 to 60000, or 0 for no limit"))
		case s.RequestsPerMinute == 0 && !loopback:
			l.add(n.problem("0 lifts the limit, which is accepted for a server on this machine only"))
		}
	}
	l.checkTokens(s)
	l.checkReach(s.set, s.Config)
}

func (l *loader) checkTokens(s *Server) {
	n := s.set["tokens"]
	if n == nil || n.kind != textKind {
		return
	}
	dir, ok := strings.CutPrefix(s.Tokens, "dir:")
	if !ok || dir == "" {
		l.add(n.at.problem(n.path, "", "must be dir:PATH, a folder that holds the token of job NAME in the file NAME; a token itself is not accepted here"))
		return
	}
	s.tokens = n.resolve(dir)
}

// checkReach judges the keys that say how a server is reached.
func (l *loader) checkReach(set settings, reach upstream.Config) {
	if n := set["ca_only"]; n != nil && reach.CAOnly && reach.CAFile == "" {
		l.add(n.problem("needs ca_file: without it no authority is trusted at all"))
	}
	l.notEmpty(set, "ca_file")
	l.pair(set, "client_cert", "client_key")
	if n := set["proxy"]; n != nil && n.kind == textKind && reach.Proxy != "none" {
		if _, reason := badURL(reach.Proxy, false); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
	if n := set["contact"]; n != nil && strings.ContainsAny(reach.Contact, "\r\n\t()") {
		l.add(n.problem("must be one address or URL, without brackets or line breaks: it is sent in a header"))
	}
}

const redcapURL = "https://redcap.example.edu/api/"

// badURL judges the URL of a server or of a proxy; what it may hold beside the host differs.
func badURL(text string, server bool) (loopback bool, reason string) {
	if strings.TrimSpace(text) != text || strings.ContainsAny(text, " \t\r\n") {
		return false, "has spaces or line breaks in it"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		return false, "has letters beyond ASCII: write an international host name in its xn-- form"
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return false, "is not a URL with a host, such as " + redcapURL
	}
	if u.User != nil {
		return false, "holds a user name or password: those are not accepted in a URL"
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#") {
		return false, "must end with its path: no ? and no #"
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if p, err := strconv.ParseUint(port, 10, 16); err != nil || p == 0 {
			return false, "must name a port from 1 to 65535, or none"
		}
	}
	loopback = isLoopback(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return loopback, "must begin with https://"
	case !server:
		return loopback, ""
	case u.Scheme == "http" && !loopback:
		return loopback, "must begin with https://: a token is never sent in the clear, except to this machine itself"
	case !strings.HasSuffix(u.Path, "/"):
		return loopback, "must end with a slash: REDCap answers a URL without it with a redirect, which is never followed; write " + shown(text+"/")
	}
	return loopback, ""
}

// badOpenURL judges a URL of the web that is neither a REDCap server nor a proxy.
func badOpenURL(text string) string {
	loopback, reason := badURL(text, false)
	if reason == "" && !loopback && !strings.HasPrefix(text, "https://") {
		return "must begin with https://, except for this machine itself"
	}
	return strings.ReplaceAll(reason, redcapURL, "https://etl.example.edu")
}

func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost"
}
