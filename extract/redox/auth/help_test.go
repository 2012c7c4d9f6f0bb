package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fixtures = "../../../../shared/fixtures/redox/auth"

// fixture reads a file of the fixtures, and skips the test where they are not beside the project.
func fixture(t *testing.T, path ...string) []byte {
	t.Helper()
	if _, err := os.Stat(fixtures); err != nil {
		t.Skip("no fixtures beside the repository: ../shared/fixtures/redox/auth is missing")
	}
	text, err := os.ReadFile(filepath.Join(append([]string{fixtures}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// noon is the time of tests in which time does not matter.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: noon} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func always(at time.Time) func() time.Time { return func() time.Time { return at } }

func text(s string) Secret { return func() ([]byte, error) { return []byte(s), nil } }

func missing() Secret {
	return func() ([]byte, error) { return nil, errors.New("environment variable REDOX_TOKEN is not set") }
}

func newGate(t *testing.T, c Config) *Gate {
	t.Helper()
	if c.Now == nil {
		c.Now = always(noon)
	}
	c.Destination = "hospital"
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// push makes a request with these headers, a name and a value each.
func push(body string, headers ...string) *Request {
	r := httptest.NewRequest(http.MethodPost, "https://etl.example.org/redox/hospital-7f3c", bytes.NewReader([]byte(body)))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return &Request{Request: r, Bytes: sync.OnceValues(func() ([]byte, error) { return io.ReadAll(r.Body) })}
}

func bearing(token string) *Request { return push("{}", "Authorization", "Bearer "+token) }

// status is what a request is answered with: 200 where it is let in.
func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return http.StatusOK
	}
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("not a Refusal: %v", err)
	}
	return r.Status
}

// memory is a Store of one process.
type memory struct {
	mu     sync.Mutex
	tokens map[[32]byte]time.Time
	jtis   map[string]time.Time // until when each is kept
	asked  int
	down   bool
	now    func() time.Time
}

func newMemory(now func() time.Time) *memory {
	return &memory{tokens: map[[32]byte]time.Time{}, jtis: map[string]time.Time{}, now: now}
}

var errDown = errors.New("postgres is away")

func (m *memory) locked(do func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errDown
	}
	m.asked++
	do()
	return nil
}

func (m *memory) KeepToken(_ context.Context, _ string, sum [32]byte, _, _ string, expires time.Time) error {
	return m.locked(func() { m.tokens[sum] = expires })
}

func (m *memory) Token(_ context.Context, _ string, sum [32]byte) (scope string, expires time.Time, ok bool, err error) {
	err = m.locked(func() {
		expires, ok = m.tokens[sum]
		ok = ok && m.now().Before(expires)
	})
	return "", expires, ok, err
}

func (m *memory) UseJTI(_ context.Context, destination, issuer string, jti [32]byte, expires time.Time) (first bool, err error) {
	err = m.locked(func() {
		name := destination + " " + issuer + " " + string(jti[:])
		first = !m.now().Before(m.jtis[name])
		if first {
			m.jtis[name] = expires
		}
	})
	return first, err
}

func (m *memory) UsedTokens(context.Context, string, map[string]int64) error { return nil }

var (
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	strangerKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey       = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// jwkSet writes public keys as a set: kid and key in turn.
func jwkSet(keys ...any) []byte {
	var set jose.JSONWebKeySet
	for i := 0; i < len(keys); i += 2 {
		set.Keys = append(set.Keys, jose.JSONWebKey{KeyID: keys[i].(string), Key: keys[i+1], Use: "sig"})
	}
	return must(json.Marshal(set))
}

func keyFile(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sign makes a JWT; header members beside alg and kid are given in turn.
func sign(t *testing.T, alg jose.SignatureAlgorithm, kid string, key any, payload any, header ...string) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	for i := 0; i < len(header); i += 2 {
		options.WithHeader(jose.HeaderKey(header[i]), header[i+1])
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, options)
	if err != nil {
		t.Fatal(err)
	}
	body, ok := payload.(string)
	if !ok {
		body = string(must(json.Marshal(payload, json.Deterministic(true))))
	}
	signed, err := signer.Sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return must(signed.CompactSerialize())
}

// but returns claims with some of them changed: name and value in turn; nil takes one away.
func but(claims map[string]any, changes ...any) map[string]any {
	changed := maps.Clone(claims)
	for i := 0; i < len(changes); i += 2 {
		name := changes[i].(string)
		if changes[i+1] == nil {
			delete(changed, name)
		} else {
			changed[name] = changes[i+1]
		}
	}
	return changed
}
