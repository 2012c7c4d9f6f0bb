package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

func publicPEM(t *testing.T, key any) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))})
}

// t15Files: a key file that cannot be used is a fault that names the file, and pushes get 503.
func t15Files(t *testing.T) {
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(rsaKey()))})
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"private key":           {private, "private"},
		"encrypted private key": {pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), "private"},
		"private JWK":           {must(json.Marshal(jose.JSONWebKey{KeyID: "a", Key: rsaKey()})), "private"},
		"RSA of 1024 bits":      {publicPEM(t, weak), "1024"},
		"trailing key":          {append(publicPEM(t, rsaKey().Public()), publicPEM(t, ecKey().Public())...), "more than one"},
		"trailing junk":         {append(publicPEM(t, rsaKey().Public()), "junk"...), "more than one"},
		"cut":                   {publicPEM(t, rsaKey().Public())[:100], "damaged"},
		"no key":                {[]byte("hello"), "neither"},
		"empty":                 {nil, "neither"},
		"another PEM":           {pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: []byte("x")}), "neither"},
	} {
		path := keyFile(t, c.text)
		g := newGate(t, Config{PublicURL: publicURL, Path: receiver, Options: Options{Strategy: strategyBearer, Issuer: "i", JWKSFile: path}})
		found := g.Diagnose(t.Context())
		if !hasFinding(found, Fault, path) || !hasFinding(found, Fault, c.says) {
			t.Errorf("%s: found %v", name, found)
		}
		judge(t, g, name, sign(t, jose.RS256, "a", rsaKey(), usual()), 503)
	}
	path := filepath.Join(t.TempDir(), "missing.json")
	g := newGate(t, Config{PublicURL: publicURL, Path: receiver, Options: Options{Strategy: strategyBearer, Issuer: "i", JWKSFile: path}})
	if found := g.Diagnose(t.Context()); !hasFinding(found, Fault, path) {
		t.Errorf("missing file: found %v", found)
	}
	ec, _ := smartConfig(t, always(noon), "a", ecKey().Public())
	ec.Options.Algorithms = []string{"RS384"}
	if got := ask(t, newGate(t, ec), smartForm(sign(t, jose.ES384, "a", ecKey(), smartClaims("1")))); got.status != 401 {
		t.Errorf("EC key where RS384 is wanted: %d", got.status)
	}
}

func hasFinding(found []Finding, level Level, words string) bool {
	for _, f := range found {
		if f.Level == level && strings.Contains(f.What, words) {
			return true
		}
	}
	return false
}

// A key file that is changed is read again, and its keys may be PEM, a certificate, one JWK or a set.
func TestAKeyFileIsReadAgainWhenItChanges(t *testing.T) {
	at := newClock()
	path := keyFile(t, publicPEM(t, rsaKey().Public()))
	g := newGate(t, Config{PublicURL: publicURL, Path: receiver, Now: at.now, Options: Options{
		Strategy: strategyBearer, Issuer: "https://issuer.example.org", JWKSFile: path,
	}})
	judge(t, g, "PEM", sign(t, jose.RS256, "whatever", rsaKey(), lasting(at)), 200)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.Add(time.Hour)}
	certificate := must(x509.CreateCertificate(rand.Reader, template, template, ecKey().Public(), ecKey()))
	for name, text := range map[string][]byte{
		"certificate": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"one JWK":     must(json.Marshal(jose.JSONWebKey{KeyID: "e", Key: ecKey().Public()})),
		"set":         jwkSet("e", ecKey().Public(), "r", strangerKey().Public()),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		at.pass(freshFor)
		judge(t, g, name, sign(t, jose.ES384, "e", ecKey(), lasting(at)), 200)
		judge(t, g, "the key that went", sign(t, jose.RS256, "e", rsaKey(), lasting(at)), 401)
	}
}

// Keys for other ends are left out of a set, and the others are used.
func TestKeysForOtherEndsAreLeftOut(t *testing.T) {
	set := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{KeyID: "enc", Key: strangerKey().Public(), Use: "enc"}, {KeyID: "sig", Key: rsaKey().Public(), Use: "sig"},
	}}))
	got, err := parseKeys(set)
	if err != nil || len(got.keys) != 1 || len(got.left) != 1 || got.pick("sig", jose.RS256) == nil || got.pick("enc", jose.RS256) != nil {
		t.Errorf("%d keys, left %v, %v", len(got.keys), got.left, err)
	}
	bound := must(json.Marshal(jose.JSONWebKey{KeyID: "a", Key: rsaKey().Public(), Algorithm: "RS384"}))
	if got, err = parseKeys(bound); err != nil || got.pick("a", jose.RS256) != nil || got.pick("a", jose.RS384) == nil {
		t.Errorf("a key bound to RS384: %v", err)
	}
}

func TestOneKidMayNameAKeyOfEachKind(t *testing.T) {
	got, err := parseKeys(jwkSet("a", rsaKey().Public(), "a", ecKey().Public()))
	if err != nil || got.pick("a", jose.RS384) == nil || got.pick("a", jose.ES384) == nil || got.pick("a", jose.ES256) != nil {
		t.Errorf("%d keys, %v", len(got.keys), err)
	}
}
