package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// Secret reads a secret from where it is kept, without the line break that ends its file. Its error names the place, never the
// value. It may be called from several goroutines.
type Secret func() ([]byte, error)

// secretAge is how long a secret is not read again.
const secretAge = 3 * time.Second

// errEmpty is a secret that is there, and is nothing.
var errEmpty = errors.New("the secret is empty")

// fresh reads a secret again once it is older than secretAge.
type fresh struct {
	read Secret
	now  func() time.Time

	mu    sync.Mutex
	value []byte
	err   error
	until time.Time
}

func newFresh(read Secret, now func() time.Time) *fresh {
	if read == nil {
		return nil
	}
	return &fresh{read: read, now: now}
}

// get returns the secret; an empty one is an error.
func (f *fresh) get() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); f.until.IsZero() || !now.Before(f.until) {
		f.value, f.err = f.read()
		if f.err == nil && len(f.value) == 0 {
			f.err = errEmpty
		}
		f.until = now.Add(secretAge)
	}
	return f.value, f.err
}

// Fingerprint tells verification tokens apart without telling what they are.
func Fingerprint(token []byte) string {
	sum := sha256.Sum256(token)
	return hex.EncodeToString(sum[:4])
}

// same compares in a time that depends on the length of given alone.
func same(given, want []byte) bool {
	a, b := sha256.Sum256(given), sha256.Sum256(want)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
