package redcap

import (
	"strconv"
	"strings"
)

// release is a REDCap version, as text and as numbers.
type release struct {
	text  string
	parts [3]int
}

func releaseOf(version string) release {
	r := release{text: version}
	for i, part := range strings.SplitN(version, ".", 3) {
		r.parts[i], _ = strconv.Atoi(part)
	}
	return r
}

// atLeast compares a version.
func (r release) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if have := r.parts[i]; have != want {
			return have > want
		}
	}
	return true
}

// Upgrade makes the server another version, as an administrator does between two runs. Requests under way end as
// they began.
func (s *Server) Upgrade(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release = releaseOf(version)
}

// Version returns the version served now.
func (s *Server) Version() string { return s.served().text }

func (s *Server) served() release {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release
}
