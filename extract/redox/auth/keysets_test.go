package auth

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestAGateThatTakesTheOthersPlaceKnowsItsKeys(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRemote(t, sends(string(jwkSet("a", rsaKey().Public()))))
	gate := func(keys *KeySets, issuer string) *Gate {
		return newGate(t, Config{
			PublicURL: "https://etl.example.org", Path: "/redox/hospital-7f3c", Upstream: r.reach(), Now: at.now, Keys: keys,
			Options: Options{Strategy: strategyBearer, Issuer: issuer, JWKSURL: r.URL + "/keys"},
		})
	}
	token := sign(t, jose.RS256, "a", rsaKey(), lasting(at))
	var keys KeySets
	judge(t, gate(&keys, "https://issuer.example.org"), "the first", token, 200)
	r.says(fails(500))
	judge(t, gate(&keys, "https://issuer.example.org"), "one after it", token, 200)
	judge(t, gate(&keys, "https://other.example.org"), "one that believes another issuer", token, 401)
	judge(t, gate(nil, "https://issuer.example.org"), "one that stands alone", token, 503)
	if n := r.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}
