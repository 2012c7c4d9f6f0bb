package main

import (
	"context"
	"errors"

	"syncd/extract"
	"syncd/internal/config"
)

// leastPurgeKey is the fewest characters of a key.
const leastPurgeKey = 32

// blocklist is where it stands who was purged from a job or receiver, and from which schema.
type blocklist interface {
	Blocked(ctx context.Context, job, schema string) (at string, hashes [][32]byte, err error)
}

// blockedOf lists who was purged from a job or receiver. Nobody on the list may be loaded: where the key is missing by which they are
// known, nothing is.
func blockedOf(ctx context.Context, w blocklist, key config.Secret, name, schema string) (*extract.Blocked, error) {
	at, hashes, err := w.Blocked(ctx, name, schema)
	if err != nil || len(hashes) == 0 {
		return nil, err
	}
	secret, err := readPurgeKey(ctx, key)
	if err != nil {
		return nil, err
	}
	return extract.NewBlocked(secret, at, hashes), nil
}

// blocked is blockedOf for a job; a verb that has no warehouse blocks nobody, and loads nothing.
func (s *sources) blocked(j *config.Job) func(context.Context) (*extract.Blocked, error) {
	if s.w == nil {
		return nil
	}
	return func(ctx context.Context) (*extract.Blocked, error) {
		return blockedOf(ctx, s.w, s.cfg.Purge.Key, j.Name, j.Schema)
	}
}

// readPurgeKey reads the secret by whose hashes people who were purged are known again.
func readPurgeKey(ctx context.Context, secret config.Secret) ([]byte, error) {
	if secret.IsZero() {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "keep out who was purged", Cause: errors.New("people were purged, and jobs.toml does not say by which key they are known again"),
			Next: "put [purge] key and journal back into jobs.toml, as they were when the purges were made",
		}
	}
	key, err := secret.Read(ctx)
	if err != nil {
		return nil, misconfigured("read purge.key", err)
	}
	if len(key) < leastPurgeKey {
		return nil, extract.Errorf(extract.KindConfig, "read purge.key", "it has fewer than %d characters: who was purged could be guessed; openssl rand -hex 32 makes one", leastPurgeKey)
	}
	return []byte(key), nil
}
