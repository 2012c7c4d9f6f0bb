package upstream

import (
	"net/http"

	"syncd/extract"
)

// signed names the client and lets the endpoint sign, as the last thing before the request is sent.
type signed struct {
	sign  func(*http.Request) error
	agent string
	next  http.RoundTripper
}

func (s signed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", s.agent)
	if s.sign == nil {
		return s.next.RoundTrip(req)
	}
	scheme, host := req.URL.Scheme, req.URL.Host
	if err := s.sign(req); err != nil {
		return nil, err
	}
	if req.URL.Scheme != scheme || req.URL.Host != host {
		return nil, extract.Errorf(extract.KindInternal, "sign request", "the signature moved the request to another host")
	}
	return s.next.RoundTrip(req)
}
