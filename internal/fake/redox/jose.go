package redox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
)

// Key signs JSON Web Tokens with one algorithm of RFC 7518 or 8037.
type Key struct {
	Alg     string         // RS256, RS384, RS512, PS256 ..., ES256 ..., EdDSA, HS256 ...
	ID      string         // kid; empty: none
	Private crypto.Signer  // of all but HS*
	Secret  []byte         // of HS*
	Header  map[string]any // further members of the header; they go before ours
}

// NewKey makes a key for an algorithm: of 2048 bits for RSA, of the algorithm's curve, or 64 random bytes.
func NewKey(alg, kid string) (*Key, error) {
	k := &Key{Alg: alg, ID: kid}
	var err error
	switch alg {
	case "ES256":
		k.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k.Private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		k.Private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	case "HS256", "HS384", "HS512":
		k.Secret = make([]byte, 64)
		_, err = rand.Read(k.Secret)
	default:
		k.Private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, fmt.Errorf("make key for %s: %w", alg, err)
	}
	return k, nil
}

// Sign makes a JWT of claims in the compact form.
func (k *Key) Sign(claims map[string]any) (string, error) {
	header := map[string]any{"alg": k.Alg, "typ": "JWT"}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	maps.Copy(header, k.Header)
	first, err := segment(header)
	if err != nil {
		return "", err
	}
	second, err := segment(claims)
	if err != nil {
		return "", err
	}
	text := first + "." + second
	signature, err := k.signature([]byte(text))
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k.Alg, err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func segment(v map[string]any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

func (k *Key) signature(text []byte) ([]byte, error) {
	if k.Alg == "EdDSA" {
		return k.Private.Sign(rand.Reader, text, crypto.Hash(0))
	}
	family, size := k.Alg[:min(2, len(k.Alg))], strings.TrimLeft(k.Alg, "RPEHS")
	h, ok := hashes[size]
	if !ok {
		return nil, fmt.Errorf("unknown algorithm")
	}
	if family == "HS" {
		mac := hmac.New(h.New, k.Secret)
		mac.Write(text)
		return mac.Sum(nil), nil
	}
	digest := h.New()
	digest.Write(text)
	switch private := k.Private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest.Sum(nil))
		if err != nil {
			return nil, err
		}
		width := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, width)), s.FillBytes(make([]byte, width))...), nil
	case *rsa.PrivateKey:
		if family == "PS" {
			return rsa.SignPSS(rand.Reader, private, h, digest.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, private, h, digest.Sum(nil))
	default:
		return nil, fmt.Errorf("the key is of another kind")
	}
}

// KeySet is a JWK set of the public halves of keys. Shared secrets are left out.
func KeySet(keys ...*Key) ([]byte, error) {
	set := []map[string]any{}
	for _, k := range keys {
		jwk := map[string]any{"alg": k.Alg, "use": "sig"}
		if k.ID != "" {
			jwk["kid"] = k.ID
		}
		switch private := k.Private.(type) {
		case *rsa.PrivateKey:
			jwk["kty"], jwk["n"], jwk["e"] = "RSA", unsigned(private.N), unsigned(big.NewInt(int64(private.E)))
		case *ecdsa.PrivateKey:
			point, err := private.PublicKey.Bytes() // 4, x, y
			if err != nil {
				return nil, fmt.Errorf("encode key set: %w", err)
			}
			half := len(point) / 2
			jwk["kty"], jwk["crv"] = "EC", private.Curve.Params().Name
			jwk["x"], jwk["y"] = base64.RawURLEncoding.EncodeToString(point[1:half+1]), base64.RawURLEncoding.EncodeToString(point[half+1:])
		case ed25519.PrivateKey:
			jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
		default:
			continue
		}
		set = append(set, jwk)
	}
	return json.Marshal(map[string]any{"keys": set})
}

func unsigned(n *big.Int) string {
	return base64.RawURLEncoding.EncodeToString(n.Bytes())
}
