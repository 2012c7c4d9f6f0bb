package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"syncd/extract/upstream"
)

const (
	keysLeast   = time.Minute      // JWKS are not asked for more often, whatever is presented
	keysUsual   = 10 * time.Minute // how long a set is kept whose answer does not say
	keysMost    = 24 * time.Hour   // how long a set is kept in the end, also while its server is down
	keysFailed  = 10 * time.Second // how long nobody is asked after a failure while there is no set
	keysMaxBody = 1 << 20
)

const reasonKeys = "the keys with which tokens are signed cannot be read"

// fileKeys are public keys in a file, which is read again once it may have changed.
type fileKeys struct {
	path string
	set  *fresh[keySet]
}

func newFileKeys(path string, now func() time.Time) *fileKeys {
	return &fileKeys{path: path, set: &fresh[keySet]{now: now, read: func() (keySet, error) {
		text, err := readKeys(path)
		var set keySet
		if err == nil {
			set, err = parseKeys(text)
		}
		if err != nil {
			return set, unjudged(reasonKeys, fmt.Errorf("read jwks_file %s: %w", path, err))
		}
		return set, nil
	}}}
}

func readKeys(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, keysMaxBody+1))
	if err == nil && len(text) > keysMaxBody {
		err = fmt.Errorf("is longer than %d bytes", keysMaxBody)
	}
	return text, err
}

func (f *fileKeys) find(_ context.Context, kid string, alg jose.SignatureAlgorithm) ([]crypto.PublicKey, error) {
	set, err := f.set.get()
	return picked(set, kid, alg), err
}

func (f *fileKeys) address() string { return "" }

func (f *fileKeys) diagnose(context.Context) []Finding {
	set, err := f.set.get()
	return keyFindings("jwks_file "+f.path, set, err)
}

func picked(set keySet, kid string, alg jose.SignatureAlgorithm) []crypto.PublicKey {
	if k := set.pick(kid, alg); k != nil {
		return []crypto.PublicKey{k}
	}
	return nil
}

func keyFindings(where string, set keySet, err error) []Finding {
	if err != nil {
		return []Finding{{Fault, causeOf(err), "mend " + where + ": it must hold the public keys that Redox or the issuer signs with"}}
	}
	found := []Finding{{Good, fmt.Sprintf("%s holds %d usable keys", where, len(set.keys)), ""}}
	for _, reason := range set.left {
		found = append(found, Finding{Warning, where + ": " + reason + " and is not used", ""})
	}
	return found
}

// causeOf words an error for people: a Refusal's cause says more than its reason.
func causeOf(err error) string {
	var r *Refusal
	if errors.As(err, &r) && r.Cause != nil {
		return r.Cause.Error()
	}
	return err.Error()
}

// sharedKeys are secrets that both sides have.
type sharedKeys struct{ secrets []*secret }

func (s *sharedKeys) find(_ context.Context, _ string, alg jose.SignatureAlgorithm) (keys []crypto.PublicKey, err error) {
	for _, secret := range s.secrets {
		value, err := secret.get()
		if err != nil {
			return nil, unjudged(reasonConfig, err)
		}
		if strings.HasPrefix(string(alg), "HS") {
			keys = append(keys, value)
		}
	}
	return keys, nil
}

func (s *sharedKeys) address() string { return "" }

// shortestShared is what RFC 7518 section 3.2 demands of the key of HS256.
const shortestShared = 32

func (s *sharedKeys) diagnose(context.Context) []Finding {
	var found []Finding
	for i, secret := range s.secrets {
		found = append(found, diagnoseSecret([]string{"secret", "secret_old"}[i], secret, shortestShared))
	}
	return found
}

// urlKeys are public keys at an address. One request is under way at most; the last good set outlives failures.
type urlKeys struct {
	url string
	ask *asker
	now func() time.Time

	mu    sync.Mutex // held while asking
	state *atomic.Pointer[keyState]
}

// KeySets keeps what was read from addresses of keys beyond the life of a Gate: one that takes the place of another lets senders
// in, also while the address does not answer. Its zero value is ready for use.
type KeySets struct {
	mu sync.Mutex
	of map[keyAddress]*atomic.Pointer[keyState]
}

// keyAddress is whose keys are read, where, and whom that is believed of.
type keyAddress struct {
	destination, url string
	reach            upstream.Config
}

// state returns where an address's keys are kept; without KeySets, a place of its own.
func (k *KeySets) state(of keyAddress) *atomic.Pointer[keyState] {
	if k == nil {
		return &atomic.Pointer[keyState]{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[keyAddress]*atomic.Pointer[keyState]{}
	}
	if k.of[of] == nil {
		k.of[of] = &atomic.Pointer[keyState]{}
	}
	return k.of[of]
}

// keyState is what is known of an address.
type keyState struct {
	set    keySet
	got    time.Time // when set was read; zero where it never was
	stale  time.Time // when it is asked for again
	asked  time.Time // when it was last asked for
	failed error     // of the last time; nil where it went well
}

func (u *urlKeys) address() string { return u.url }

func (u *urlKeys) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]crypto.PublicKey, error) {
	s := u.state.Load()
	if s == nil || !u.now().Before(s.stale) {
		s = u.refresh(ctx, s)
	}
	keys := picked(s.set, kid, alg)
	if len(keys) == 0 && !u.now().Before(s.asked.Add(keysLeast)) {
		s = u.refresh(ctx, s)
		keys = picked(s.set, kid, alg)
	}
	// What is not found in a set that could not be read again may stand in the one that is there now.
	if tooOld := u.now().After(s.got.Add(keysMost)); tooOld || len(keys) == 0 && s.failed != nil {
		return nil, unjudged(reasonKeys, s.failed)
	}
	return keys, nil
}

// refresh asks for the set, unless somebody did since the caller saw it.
func (u *urlKeys) refresh(ctx context.Context, seen *keyState) *keyState {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.state.Load()
	if s != seen {
		return s
	}
	set, life, err := u.fetch(ctx)
	now := u.now()
	next := &keyState{set: set, got: now, stale: now.Add(life), asked: now}
	if err != nil {
		next = &keyState{stale: now.Add(keysFailed), asked: now, failed: err}
		if s != nil {
			next.set, next.got = s.set, s.got
		}
		if !next.got.IsZero() {
			next.stale = now.Add(keysLeast)
		}
	}
	u.state.Store(next)
	return next
}

// fetch reads the set, and for how long it may be kept. A caller that goes away does not end it: others wait for it.
func (u *urlKeys) fetch(ctx context.Context) (set keySet, life time.Duration, err error) {
	err = u.ask.get(context.WithoutCancel(ctx), "JWK set", func(r *upstream.Response) error {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if set, err = parseKeys(text); err != nil {
			return fmt.Errorf("read jwks_url %s: %w", u.ask.where, err)
		}
		life = maxAge(r.Header.Get("Cache-Control"))
		return nil
	})
	return set, life, err
}

// maxAge reads for how long an answer may be kept (RFC 9111 section 5.2.2).
func maxAge(cacheControl string) time.Duration {
	life := keysUsual
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return keysLeast
		case "max-age":
			if d, err := time.ParseDuration(strings.Trim(value, `"`) + "s"); err == nil {
				life = d
			}
		}
	}
	return min(max(life, keysLeast), keysMost)
}

func (u *urlKeys) diagnose(ctx context.Context) []Finding {
	set, _, err := u.fetch(ctx)
	return keyFindings("jwks_url "+u.ask.where, set, err)
}
