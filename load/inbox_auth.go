package load

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/auth_keep.sql
	authKeepSQL string
	//go:embed sql/auth_find.sql
	authFindSQL string
	//go:embed sql/auth_jti.sql
	authJTISQL string
	//go:embed sql/auth_uses.sql
	authUsesSQL string
)

// The inbox also keeps what all replicas of a receiver have to agree on about who may push. An error of these methods
// means that Postgres could not be asked.

// KeepToken keeps the hash of an access token that was given out.
func (b *Inbox) KeepToken(ctx context.Context, destination string, sha256 [32]byte, client, scope string, expires time.Time) error {
	_, err := b.pool.Exec(ctx, authKeepSQL, destination, sha256[:], plainText(client), plainText(scope), expires)
	return fault("keep access token", err)
}

// Token says whether a token was given out and is valid at this moment, and until when it is.
func (b *Inbox) Token(ctx context.Context, destination string, sha256 [32]byte) (scope string, expires time.Time, ok bool, err error) {
	err = b.pool.QueryRow(ctx, authFindSQL, destination, sha256[:]).Scan(&scope, &expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", time.Time{}, false, nil
	}
	return scope, expires, err == nil, fault("find access token", err)
}

// UseJTI reports whether an assertion is used for the first time.
func (b *Inbox) UseJTI(ctx context.Context, destination, issuer string, jtiSHA256 [32]byte, expires time.Time) (first bool, err error) {
	err = b.pool.QueryRow(ctx, authJTISQL, destination, plainText(issuer), jtiSHA256[:], expires).Scan(&first)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return first, fault("use assertion", err)
}

// UsedTokens adds to the uses of verification tokens, by fingerprint.
func (b *Inbox) UsedTokens(ctx context.Context, destination string, uses map[string]int64) error {
	names := slices.Sorted(maps.Keys(uses))
	counts := make([]int64, len(names))
	for i, n := range names {
		counts[i] = uses[n]
	}
	_, err := b.pool.Exec(ctx, authUsesSQL, destination, names, counts)
	return fault("count token uses", err)
}
