package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

const (
	issuedFor    = 5 * time.Minute // how long our access tokens live, the longest that SMART recommends
	issuedPrefix = "syncd_"        // tells secret scanners, and us, what it is
	issuedBytes  = 32
)

// issued are the access tokens that our token endpoint gives out: random, kept as hashes, so that they outlive a restart, hold
// on every replica and can be revoked.
type issued struct {
	store       Store
	destination string
	now         func() time.Time
	seen        verdicts
}

func newIssued(c Config) *issued {
	i := &issued{store: c.Store, destination: c.Destination, now: c.Now}
	i.seen = verdicts{now: c.Now, ask: i.verdict}
	return i
}

// issue makes a token for a client. Its error is a Refusal.
func (i *issued) issue(ctx context.Context, client, scope string) (string, error) {
	random := make([]byte, issuedBytes)
	_, _ = rand.Read(random) // it never fails
	token := issuedPrefix + base64.RawURLEncoding.EncodeToString(random)
	if err := i.store.KeepToken(ctx, i.destination, sha256.Sum256([]byte(token)), client, scope, i.now().Add(issuedFor)); err != nil {
		return "", unjudged(reasonStore, err)
	}
	return token, nil
}

const reasonStore = "what replicas share cannot be reached"

// check judges a token that a push carries. Nothing is asked about what cannot be one of ours.
func (i *issued) check(ctx context.Context, token string) error {
	random, ours := strings.CutPrefix(token, issuedPrefix)
	if !ours || len(random) != base64.RawURLEncoding.EncodedLen(issuedBytes) || strings.Trim(random, base64url) != "" {
		return bearerRefused("not a token of ours")
	}
	return i.seen.check(ctx, token)
}

func (i *issued) verdict(ctx context.Context, token string) (verdict, error) {
	_, ends, ok, err := i.store.Token(ctx, i.destination, sha256.Sum256([]byte(token)))
	if err != nil {
		return verdict{}, unjudged(reasonStore, err)
	}
	until := i.now().Add(issuedTrust)
	if !ok {
		return verdict{bearerRefused("token expired, was revoked, or is not one of ours"), until}, nil
	}
	return verdict{until: earlier(until, ends)}, nil
}
