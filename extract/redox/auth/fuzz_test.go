package auth

import (
	"net/http"
	"strings"
	"testing"
)

// Nothing that a stranger can send makes a parser fail otherwise than by refusing, and nothing unsigned is let in.
func FuzzJWT(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(compact(`{"alg":"RS256","kid":"a"}`, usual(), []byte("x")))
	f.Add("..")
	v := &verifier{keys: &sharedKeys{newSecrets(always(noon), text("a secret that the fuzzer does not know"))}, algorithms: sharedAlgorithms(), now: always(noon)}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.verify(t.Context(), token); err == nil {
			t.Error("let in")
		} else if status(t, err) != 401 {
			t.Error(err)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"iss":"i","aud":["a"],"exp":1780000000,"scope":"a b"}`))
	f.Add([]byte(`{"exp":1e400}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseClaims(payload)
		if (c == nil) == (err == nil) {
			t.Errorf("claims %v, error %v", c, err)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(jwkSet("a", rsaKey().Public(), "e", ecKey().Public()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseKeys(text)
		if err == nil && len(set.keys) == 0 {
			t.Error("an empty set is no error")
		}
	})
}

// A signed request that is changed in any header or in its target is let in only where nothing that was signed is another.
func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260601/redox/syncd/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), receiver+"?a=1&a")
	f.Add("AWS4-HMAC-SHA256 Credential=////", "/%zz//../%")
	g, err := New(Config{PublicURL: publicURL, Path: receiver, Now: always(noon), Secrets: Secrets{SecretKey: text(awsSecret)}, Options: Options{
		Strategy: strategySigV4, AccessKey: "AKIDEXAMPLE", Region: "redox", Service: "syncd",
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, target string) {
		r := push("{}")
		r.Header = http.Header{"Authorization": {authorization}, "X-Amz-Date": {noon.Format(sigTime)}}
		r.RequestURI = target
		if status(t, g.Check(t.Context(), r)) != 401 {
			t.Error("let in")
		}
	})
}

func FuzzParams(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=a", false)
	f.Add(`{"grant_type":"client_credentials"}`, true)
	f.Fuzz(func(t *testing.T, body string, isJSON bool) {
		r := push(body, "Content-Type", map[bool]string{true: "application/json", false: "application/x-www-form-urlencoded"}[isJSON])
		if p, err := readParams(r.Request); (p == nil) == (err == nil) {
			t.Errorf("params %v, error %v", p, err)
		}
	})
}
