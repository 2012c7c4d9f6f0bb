package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	weakestRSA = 2048 // bits; weaker keys are not used
	longestRSA = 8192 // bits; longer ones cost too much to be asked by strangers
	mostKeys   = 100  // of one set
)

// key is a public key with which tokens are verified.
type key struct {
	id        string // kid; empty where it has none
	algorithm string // the only one that it is for; empty where it does not say
	public    crypto.PublicKey
}

// keySet is what a file or an address holds. Keys that cannot be used are left out, and why is told.
type keySet struct {
	keys []key
	left []string
}

// parseKeys reads a JWK set, one JWK (RFC 7517) or one public key as PEM.
func parseKeys(data []byte) (keySet, error) {
	if data = bytes.TrimSpace(data); bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		return parsePEM(data)
	}
	var top map[string]jsontext.Value
	if err := json.Unmarshal(data, &top); err != nil {
		return keySet{}, errors.New("neither a JWK set nor a PEM public key")
	}
	raw := []map[string]jsontext.Value{top}
	if list, ok := top["keys"]; ok {
		raw = nil
		if err := json.Unmarshal(list, &raw); err != nil {
			return keySet{}, errors.New("keys is not a list of JWKs")
		}
	}
	if len(raw) > mostKeys {
		return keySet{}, fmt.Errorf("holds %d keys, more than %d", len(raw), mostKeys)
	}
	var set keySet
	for i, members := range raw {
		if err := secretMember(members); err != nil {
			return keySet{}, fmt.Errorf("key %d %w", i+1, err)
		}
		k, err := parseJWK(members)
		if err != nil {
			set.left = append(set.left, fmt.Sprintf("key %d %v", i+1, err))
			continue
		}
		set.keys = append(set.keys, k)
	}
	return set, set.usable()
}

// usable reports what is wrong with a set as a whole.
func (s keySet) usable() error {
	if len(s.keys) == 0 {
		return fmt.Errorf("holds no key that can be used%s", because(s.left))
	}
	seen := map[string]bool{}
	for _, k := range s.keys {
		name := fmt.Sprintf("%T %s", k.public, k.id)
		if seen[name] {
			return errors.New("holds two keys of one kind with the same kid, or without any")
		}
		seen[name] = true
	}
	return nil
}

func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return ": " + strings.Join(reasons, "; ")
}

// secretMember refuses what no set of public keys may hold: whoever published it has lost it.
func secretMember(jwk map[string]jsontext.Value) error {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, ok := jwk[name]; ok {
			return errors.New("is a private or shared key; a set of public keys must hold none")
		}
	}
	return nil
}

func parseJWK(members map[string]jsontext.Value) (key, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return key{}, errors.New("is no JWK")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil || !jwk.Valid() {
		return key{}, errors.New("is of a kind that is not known, or damaged")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return key{}, errors.New("is not for signatures (use)")
	}
	var operations []string
	if raw, ok := members["key_ops"]; ok {
		if json.Unmarshal(raw, &operations) != nil || !contains(operations, "verify") {
			return key{}, errors.New("is not for verifying signatures (key_ops)")
		}
	}
	k := key{id: jwk.KeyID, algorithm: jwk.Algorithm, public: jwk.Key}
	return k, k.sound()
}

func parsePEM(data []byte) (keySet, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return keySet{}, errors.New("PEM is damaged")
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return keySet{}, errors.New("holds a private key; syncd needs the public one, and the private one stays with Redox")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return keySet{}, errors.New("holds more than one public key; several are told apart by kid, in a JWK set")
	}
	var k key
	switch block.Type {
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return keySet{}, errors.New("PEM holds a damaged key, or one of a kind that is not known")
		}
		k.public = public
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return keySet{}, errors.New("PEM holds a damaged certificate")
		}
		k.public = certificate.PublicKey
	default:
		return keySet{}, errors.New("PEM holds neither PUBLIC KEY nor CERTIFICATE")
	}
	if err := k.sound(); err != nil {
		return keySet{}, fmt.Errorf("its key %w", err)
	}
	return keySet{keys: []key{k}}, nil
}

// sound refuses keys that can be broken.
func (k key) sound() error {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		switch bits := public.N.BitLen(); {
		case bits < weakestRSA:
			return fmt.Errorf("is RSA of %d bits, less than %d", bits, weakestRSA)
		case bits > longestRSA:
			return fmt.Errorf("is RSA of %d bits, more than %d", bits, longestRSA)
		case public.E < 3 || public.E%2 == 0:
			return errors.New("is RSA with an exponent that is none")
		case roca(public.N):
			return errors.New("is RSA made by a chip whose keys can be factored (CVE-2017-15361)")
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return errors.New("is of a kind that signs no token")
	}
	return nil
}

// roca recognises moduli of the flawed generator of CVE-2017-15361: modulo each of these primes they are a power of 65537.
func roca(n *big.Int) bool {
	for _, p := range []int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		rest, power, found := new(big.Int).Mod(n, big.NewInt(p)).Int64(), int64(1), false
		for range p {
			found = found || power == rest
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

// fits reports whether tokens of an algorithm may be verified with the key: each kind has its own, so that none can be
// taken for another (RFC 8725 section 3.1).
func (k key) fits(alg jose.SignatureAlgorithm) bool {
	if k.algorithm != "" && k.algorithm != string(alg) {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS")
	case *ecdsa.PublicKey:
		curve := map[jose.SignatureAlgorithm]string{jose.ES256: "P-256", jose.ES384: "P-384", jose.ES512: "P-521"}[alg]
		return curve != "" && public.Curve.Params().Name == curve
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false
}

// pick returns the one key that a token's header means; nil where there is none. A key without kid, alone in its set, is meant
// by every token.
func (s keySet) pick(kid string, alg jose.SignatureAlgorithm) crypto.PublicKey {
	if len(s.keys) == 1 && (kid == "" || s.keys[0].id == "") && s.keys[0].fits(alg) {
		return s.keys[0].public
	}
	for _, k := range s.keys {
		if kid != "" && k.id == kid && k.fits(alg) {
			return k.public
		}
	}
	return nil
}
