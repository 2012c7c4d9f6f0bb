package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Secret reads a secret from where it is kept, without the line break that ends its file. Its error names the place, never the
// value. It may be called from several goroutines.
type Secret func() ([]byte, error)

// freshFor is how long what was read from a file or a secret's place is not read again.
const freshFor = 3 * time.Second

// errEmpty is a secret that is there, and is nothing.
var errEmpty = errors.New("the secret is empty")

// staleFor is how much longer what was read serves those who come while somebody reads it again, which may take a command.
const staleFor = 30 * time.Second

// fresh is a value that is read again once it is older than freshFor. A failure is kept as long.
type fresh[T any] struct {
	read func() (T, error)
	now  func() time.Time

	mu   sync.Mutex // held while reading
	last atomic.Pointer[reading[T]]
}

// reading is what was read, or why it could not be.
type reading[T any] struct {
	value T
	err   error
	until time.Time
}

func (f *fresh[T]) get() (T, error) {
	seen, now := f.last.Load(), f.now()
	if seen != nil && now.Before(seen.until) {
		return seen.value, seen.err
	}
	if !f.mu.TryLock() {
		if seen != nil && now.Before(seen.until.Add(staleFor)) {
			return seen.value, seen.err
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if last := f.last.Load(); last != seen {
		return last.value, last.err // somebody read it meanwhile
	}
	value, err := f.read()
	f.last.Store(&reading[T]{value, err, f.now().Add(freshFor)})
	return value, err
}

// secret is a secret that is read again at use; an empty one is an error.
type secret = fresh[[]byte]

func newSecret(read Secret, now func() time.Time) *secret {
	return &secret{now: now, read: func() ([]byte, error) {
		value, err := read()
		if err == nil && len(value) == 0 {
			err = errEmpty
		}
		return value, err
	}}
}

// newSecrets makes secrets of those that are set, in their order.
func newSecrets(now func() time.Time, all ...Secret) (set []*secret) {
	for _, read := range all {
		if read != nil {
			set = append(set, newSecret(read, now))
		}
	}
	return set
}

// anyIs reports whether one of the secrets is the value given. All are compared. The error is a Refusal.
func anyIs(secrets []*secret, given string) (bool, error) {
	found := 0
	for _, s := range secrets {
		want, err := s.get()
		if err != nil {
			return false, unjudged(reasonConfig, err)
		}
		found |= equal([]byte(given), want)
	}
	return found == 1, nil
}

// equal is 1 where both are the same, and 0 otherwise; its time depends on their lengths alone.
func equal(a, b []byte) int {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// Fingerprint tells verification tokens apart without telling what they are.
func Fingerprint(token []byte) string {
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:4])
}

// diagnoseSecret looks whether a secret can be read and is long enough; least is in bytes.
func diagnoseSecret(key string, s *secret, least int) Finding {
	value, err := s.get()
	switch {
	case err != nil:
		return Finding{Fault, fmt.Sprintf("%s cannot be read: %v", key, err), "put the secret where " + key + " says it is"}
	case len(value) < least:
		return Finding{Warning, fmt.Sprintf("%s has %d bytes, fewer than %d, and may be guessed", key, len(value), least), "make a longer one"}
	}
	return Finding{Good, key + " can be read and is long enough", ""}
}
