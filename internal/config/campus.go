package config

import (
	"strings"
	"time"

	"syncd/extract/engage"
	"syncd/extract/upstream"
)

// Campus is one campus of Engage. Its request budget is shared by all its jobs.
type Campus struct {
	URL string `toml:"url" otherwise:"required" doc:"Base URL of the campus's API, such as https://example-u.campuslabs.com/engage/api/. Plain http is accepted for this machine only."`
	engage.Access
	PublicKey         Secret `toml:"public_key" otherwise:"none: required where auth is signed" doc:"Reference to the public key that the campus was given."`
	PrivateKey        Secret `toml:"private_key" otherwise:"none: required where auth is signed" doc:"Reference to the private key that goes with public_key."`
	APIKey            Secret `toml:"api_key" otherwise:"none: required where auth is header" doc:"Reference to the key that is sent in the header X-Engage-Api-Key."`
	RequestsPerSecond int    `toml:"requests_per_second" default:"2" doc:"Most requests a second that all jobs of this campus send together, one at a time; five may come at once after a pause. For ten minutes after the campus asked for patience (status 429) it is half of that. 0 lifts the limit, for this machine only."`
	upstream.Config

	Name string         `toml:"-"`
	Zone *time.Location `toml:"-"` // of the configuration: a campus has no clock of its own that matters here

	node *node
	set  settings
}

// mostPerSecond is far above what any operator was seen to allow.
const mostPerSecond = 1000

// checkCampus judges a campus.
func (l *loader) checkCampus(c *Config, s *Campus) {
	loopback := false
	if n := s.set["url"]; n == nil {
		l.missing(s.node, s.node.path+".url", "is missing: the base URL of the campus's API, such as %s", campusURL)
	} else if n.kind == textKind {
		var reason string
		if loopback, reason = badCampusURL(s.URL); reason != "" {
			l.add(n.problem("%s", reason))
		}
		s.URL = strings.TrimRight(s.URL, "/") + "/"
	}
	s.Zone = c.Zone
	if n := s.set["requests_per_second"]; n != nil && n.kind == numberKind {
		switch {
		case s.RequestsPerSecond < 0 || s.RequestsPerSecond > mostPerSecond:
			l.add(n.problem("must be from 1 to %d, or 0 for no limit", mostPerSecond))
		case s.RequestsPerSecond == 0 && !loopback:
			l.add(n.problem("0 lifts the limit, which is accepted for a server on this machine only"))
		}
	}
	l.checkAccess(s)
	l.checkReach(s.set, s.Config)
}

// checkAccess judges which keys go together. Package engage knows; what is wrong with one is told where it stands, and what is
// missing at the table.
func (l *loader) checkAccess(s *Campus) {
	if n := s.set["auth"]; n != nil && n.refused {
		return
	}
	there := func(key string) bool { return s.set[key] != nil }
	for _, m := range s.Access.Check(there("public_key"), there("private_key"), there("api_key")) {
		switch n := s.set[m.Key]; {
		case n == nil:
			l.missing(s.node, s.node.path+"."+m.Key, "%s", m.Reason)
		case n.refused: // that was said
		case m.Key == "ip" || m.Key == "hash":
			l.add(n.problem("%s", m.Reason))
		default:
			l.add(n.wrong("%s", m.Reason))
		}
	}
	if n := s.set["ip"]; n != nil && n.kind == textKind {
		if page, ok := strings.CutPrefix(s.IP, "auto:"); ok && page != "" {
			if reason := badOpenURL(page); reason != "" {
				l.add(n.problem("the page behind auto: %s", reason))
			}
		}
	}
}

const campusURL = "https://example-u.campuslabs.com/engage/api/"

func badCampusURL(text string) (loopback bool, reason string) {
	loopback, reason = badURL(text, false)
	if reason == "" && !loopback && !strings.HasPrefix(text, "https://") {
		return loopback, "must begin with https://: keys and people's data never travel in the clear, except on this machine itself"
	}
	return loopback, strings.ReplaceAll(reason, redcapURL, campusURL)
}
