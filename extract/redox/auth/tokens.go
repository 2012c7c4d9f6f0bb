package auth

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

const (
	tokenHeader  = "Verification-Token"
	reasonToken  = "wrong verification token"
	reasonNone   = "no verification token"
	reasonConfig = "receiver is misconfigured: a secret cannot be read"
)

// tokens are the verification tokens that are valid now, and how often each was used since that was last asked.
type tokens struct {
	active []*secret

	mu   sync.Mutex
	uses map[string]int64
}

// match says which active token each of the values is, by fingerprint. Every value is compared with every token.
func (t *tokens) match(values ...string) (fingerprints []string, err error) {
	all := len(values) > 0
	for _, value := range values {
		ok, err := anyIs(t.active, value)
		if err != nil {
			return nil, err
		}
		all = all && ok
		fingerprints = append(fingerprints, Fingerprint([]byte(value)))
	}
	switch {
	case len(values) == 0:
		return nil, refused(reasonNone)
	case !all:
		return nil, refused(reasonToken)
	}
	return fingerprints, nil
}

// presented collects the tokens that a push carries. Bearer says that authorization holds one, too; without it that header is
// the strategy's.
func presented(h http.Header, bearer bool) ([]string, error) {
	values := h.Values(tokenHeader)
	if len(values) > 1 {
		return nil, refused("verification token sent twice")
	}
	if !bearer {
		return values, nil
	}
	switch authorization := h.Values("Authorization"); len(authorization) {
	case 0:
	case 1:
		token, ok := bearerOf(authorization[0])
		if !ok {
			return nil, refused("authorization is no bearer token")
		}
		values = append(values[:len(values):len(values)], token)
	default:
		return nil, refused("authorization sent twice")
	}
	return values, nil
}

// bearerOf takes the token out of "Bearer TOKEN"; the scheme is compared without case (RFC 9110 section 11.1).
func bearerOf(authorization string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(authorization, " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}

// used counts; a request that shows one token in two headers uses it once.
func (t *tokens) used(fingerprints []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.uses == nil {
		t.uses = map[string]int64{}
	}
	seen := map[string]bool{}
	for _, f := range fingerprints {
		if !seen[f] {
			seen[f] = true
			t.uses[f]++
		}
	}
}

// drain returns the uses since the last call.
func (t *tokens) drain() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	uses := maps.Clone(t.uses)
	clear(t.uses)
	return uses
}
