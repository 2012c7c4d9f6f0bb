package redox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Handshake is a way of verifying a destination.
type Handshake struct {
	Method string // GET or POST
	// Old is the form of the old documentation: the token of a GET in the header and not in the query, and an answer that is the
	// challenge and nothing else. Now it may stand anywhere in the answer.
	Old bool
	// Credentialed says whether the request carries the destination's credential too; it is not known whether Redox does that.
	Credentialed bool
}

// Verify verifies the destination, and returns an error as Redox would show it.
func (s *Sender) Verify(ctx context.Context, h Handshake) error {
	challenge := freshUUID()
	to, body, inHeader := s.config.URL, []byte(nil), h.Old
	switch h.Method {
	case http.MethodPost:
		var err error
		if body, err = json.Marshal(map[string]string{"verification-token": s.config.Token, "challenge": challenge}); err != nil {
			return err
		}
	case http.MethodGet:
		query := url.Values{"challenge": {challenge}}
		if !h.Old {
			query.Set("verification-token", s.config.Token)
		}
		to += "?" + query.Encode()
	default:
		return fmt.Errorf("verify destination: no handshake by %s", h.Method)
	}
	rq, err := s.request(ctx, h.Method, to, body)
	if err != nil {
		return fmt.Errorf("verify destination: %w", err)
	}
	if !inHeader {
		rq.Header.Del("Verification-Token")
	}
	if !h.Credentialed {
		rq.Header.Del("Authorization")
	}
	answer, err := s.client.Do(rq)
	if err != nil {
		return fmt.Errorf("verify destination: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	switch {
	case err != nil:
		return fmt.Errorf("verify destination: %w", err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("verify destination: the endpoint answered %s", answer.Status)
	case h.Old && string(text) != challenge, !strings.Contains(string(text), challenge):
		return fmt.Errorf("verify destination: the answer is not the challenge")
	}
	return nil
}

// freshUUID is a challenge: a UUID, as in practice.
func freshUUID() string {
	d := dice(hash(freshID()))
	return d.uuid()
}
