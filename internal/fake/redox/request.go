package redox

import (
	"bytes"
	"context"
	"net/http"
)

// Credential is what a destination has linked to it: one of the six strategies. It may be used from several goroutines.
type Credential interface {
	// authorize adds to a request what the strategy adds, fetching a token first where it takes one. body is the request's.
	authorize(ctx context.Context, client *http.Client, rq *http.Request, body []byte) error
}

// forgetful credentials hold an access token that can be dropped.
type forgetful interface{ forget() }

// request is a request with the headers that Redox sends.
func (s *Sender) request(ctx context.Context, method, url string, body []byte) (*http.Request, error) {
	rq, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	rq.Header.Set("Application-Name", "RedoxEngine")
	rq.Header.Set("Accept", "*/*")
	if method == http.MethodPost {
		rq.Header.Set("Content-Type", "application/json")
	}
	if s.config.Token != "" {
		rq.Header.Set("Verification-Token", s.config.Token)
	}
	switch {
	case s.config.Credential != nil:
		err = s.config.Credential.authorize(ctx, &s.client, rq, body)
	case s.config.Token != "":
		rq.Header.Set("Authorization", "Bearer "+s.config.Token)
	}
	return rq, err
}
