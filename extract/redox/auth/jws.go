package auth

import (
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // hashes of PS256
	_ "crypto/sha512" // and of PS384 and PS512
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// longestJWT bounds a token before anything is done with it.
const longestJWT = 16 << 10

// keySource is where the keys for tokens come from. Its errors are Refusals of 503.
type keySource interface {
	// find returns the keys that a token's header may mean: none where it is not known, more than one only of shared secrets.
	find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]crypto.PublicKey, error)
	// address is what a token may name as jku; empty where it may not.
	address() string
	diagnose(ctx context.Context) []Finding
}

// verifier judges JWTs of one kind.
type verifier struct {
	keys       keySource
	algorithms []jose.SignatureAlgorithm
	rules      rules
	strict     bool // typ must be JWT, and kid must be there (SMART)
	now        func() time.Time
}

// verify returns the claims of a token that is as it must be. The error is a Refusal.
func (v *verifier) verify(ctx context.Context, token string) (*claims, error) {
	payload, err := v.open(ctx, token)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, bearerRefused(err.Error())
	}
	if reason := v.rules.check(c, v.now()); reason != "" {
		return nil, bearerRefused(reason)
	}
	return c, nil
}

// open verifies a compact JWS (RFC 7515 section 5.2) and returns its payload.
func (v *verifier) open(ctx context.Context, token string) ([]byte, error) {
	h, reason := parseHeader(token)
	if reason == "" {
		reason = v.acceptable(h)
	}
	if reason != "" {
		return nil, bearerRefused(reason)
	}
	keys, err := v.keys.find(ctx, h.kid, h.alg)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 && h.kid == "" {
		return nil, bearerRefused("token names no key (kid), and there is not just one that fits")
	}
	if len(keys) == 0 {
		return nil, bearerRefused("token is signed with an unknown key (kid)")
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{h.alg})
	if err != nil {
		return nil, bearerRefused(reasonShape)
	}
	for _, k := range keys {
		if payload, err := signed.Verify(k); err == nil && rightSalt(token, h.alg, k) {
			return payload, nil
		}
	}
	return nil, bearerRefused("token's signature is wrong")
}

const reasonShape = "not a signed token"

// header is what is asked of a token's header (RFC 7515 section 4.1).
type header struct {
	alg           jose.SignatureAlgorithm
	kid, typ, jku string
	hasJKU        bool
}

// parseHeader reads the header before its signature is known to be right: it may choose a key, and nothing else.
func parseHeader(token string) (h header, reason string) {
	if len(token) > longestJWT {
		return h, "token is too long"
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return h, reasonShape
	}
	text, err := canonicalBase64(parts)
	var raw map[string]jsontext.Value
	if err != nil || json.Unmarshal(text, &raw) != nil || raw == nil {
		return h, reasonShape
	}
	for _, name := range []string{"crit", "b64", "x5u"} {
		if _, ok := raw[name]; ok {
			return h, "token's header asks for what is not supported (" + name + ")"
		}
	}
	r := claimReader{raw: raw}
	alg, _ := r.text("alg")
	h.alg = jose.SignatureAlgorithm(alg)
	h.kid, _ = r.text("kid")
	h.typ, _ = r.text("typ")
	h.jku, h.hasJKU = r.text("jku")
	if r.wrong {
		return h, reasonShape
	}
	return h, ""
}

// canonicalBase64 refuses what decodes to the same bytes as another spelling does, and returns the first part.
func canonicalBase64(parts []string) (first []byte, err error) {
	for i, part := range parts {
		// The decoder of the standard library skips line breaks.
		if strings.ContainsAny(part, "\r\n") {
			return nil, base64.CorruptInputError(0)
		}
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = text
		}
	}
	return first, nil
}

// rightSalt asks of PS* what RFC 7518 section 3.5 demands and go-jose leaves open: a salt as long as the hash.
func rightSalt(token string, alg jose.SignatureAlgorithm, k crypto.PublicKey) bool {
	hash, ok := map[jose.SignatureAlgorithm]crypto.Hash{jose.PS256: crypto.SHA256, jose.PS384: crypto.SHA384, jose.PS512: crypto.SHA512}[alg]
	if !ok {
		return true
	}
	public, ok := k.(*rsa.PublicKey)
	end := strings.LastIndexByte(token, '.')
	mac, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if !ok || err != nil {
		return false
	}
	h := hash.New()
	h.Write([]byte(token[:end]))
	return rsa.VerifyPSS(public, hash, h.Sum(nil), mac, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (v *verifier) acceptable(h header) (reason string) {
	switch {
	case !slices.Contains(v.algorithms, h.alg):
		return "token is signed in a way that is not accepted (alg)"
	case h.hasJKU && (h.jku == "" || h.jku != v.keys.address()):
		return "token points at other keys (jku)"
	case v.strict && !strings.EqualFold(h.typ, "JWT"):
		return "token is not a JWT (typ)"
	case v.strict && h.kid == "":
		return "token names no key (kid)"
	}
	return ""
}
