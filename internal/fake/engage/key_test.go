package engage

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The inputs of the vectors of section 2.3.
const (
	vectorTime   = "1374930120000"
	vectorRandom = "2f1c9a5e-0d6b-4f0e-9a53-0c8a5c3c9f11"
	vectorIP     = "203.0.113.7"
)

var vectorNow = time.UnixMilli(1374930120000)

// signed serves a campus to one key, to somebody at the address of the vectors, and asks it.
func signed(t *testing.T, k Key, knobs Knobs, after time.Duration, resource, query string) *httptest.ResponseRecorder {
	t.Helper()
	k.Public, k.Private = "examplekey", "exampleprivate"
	s := NewServer(NewCampus(Spec{}, vectorNow), Options{
		Clock: func() time.Time { return vectorNow.Add(after) }, Keys: []Key{k}, Knobs: knobs, Peer: func(*http.Request) string { return vectorIP },
	})
	return askSigned(s, resource, query)
}

func askSigned(s *Server, resource, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/engage/api/"+resource+"?"+query, nil))
	return w
}

func signature(random, hash string) string {
	return "page=1&pageSize=5&time=" + vectorTime + "&apikey=examplekey&random=" + random + "&hash=" + hash
}

var vectors = []struct{ hash, ip, sum string }{
	{"md5", vectorIP, "febfb193ba2e047ea4483d9129c90ae9"},
	{"sha256", vectorIP, "fdc658dbb4f8c3ad7ae7e90e0f7a7a63a9b2865c4c5e469cceb9c7af705ed77c"},
	{"sha384", vectorIP, "0fbc5ce4f3d7ef0c988c4f27d62938a692181b2539dea8a2d3b84464017c89ef814b97862a1dc7cab255bd6ea9329900"},
	{"sha512", vectorIP, "f44ca6188bd216d2b0260b50ec626f3ad3146ce3f7313e69ce2f0b10bcf682dc1e6405ebf64f7f35aeceeef21f457182b15f43365ac66bc0dcf1c17ac8685d6c"},
	{"md5", "", "757c220cd0c8aef709cd39d572ab6b8e"},
	{"sha256", "", "14162a69f5e32a2853b5c30523c8cde15df5899c1a8eb8c666bf9b37e9f2cd83"},
	{"sha384", "", "2f26ebfc6b17824b456ca8e9580d461cbcd13f68c799eaa3f032a9cb67a019ffc5b0e967b242588bb484f6f10f74ec30"},
	{"sha512", "", "72e051e7b6793225ab1f70f50ddb441b32998a7ca769d65fd2d6ba4cc7b03230d4d2f341b8070815fd68a982c01b7e191201727026d3e98c2936caf670a36451"},
}

func TestVectorsAreAcceptedByTheirKeyOnly(t *testing.T) {
	for _, v := range vectors {
		for _, k := range vectors {
			w := signed(t, Key{Hash: k.hash, IP: k.ip}, Knobs{}, 0, "organizations", signature(vectorRandom, v.sum))
			want := http.StatusUnauthorized
			if v == k {
				want = http.StatusOK
			}
			if w.Code != want {
				t.Errorf("hash of %s, ip %q for a key of %s, ip %q: %d, want %d", v.hash, v.ip, k.hash, k.ip, w.Code, want)
			}
		}
	}
	const sum = "29c8e3627310afe0a742f95689408216eabf7d9b37a21c598a63eb38e87ff15f"
	if w := signed(t, Key{}, Knobs{}, 0, "organizations", signature("r%26%3D%2B%20%25%C3%A9", sum)); w.Code != http.StatusOK {
		t.Errorf("encoded random: %d", w.Code)
	}
	const encoded = "f9844c20a2fa002894f551494a5a78225eaae0ef4df158226cb6ed49bcf1e5f9"
	if w := signed(t, Key{}, Knobs{}, 0, "organizations", signature("r%26%3D%2B%20%25%C3%A9", encoded)); w.Code != http.StatusUnauthorized {
		t.Errorf("hash of the encoded random: %d", w.Code)
	}
}

func TestWhatMustNotBeProducedIsRefused(t *testing.T) {
	const good = "fdc658dbb4f8c3ad7ae7e90e0f7a7a63a9b2865c4c5e469cceb9c7af705ed77c"
	for name, query := range map[string]string{
		"ip after time":     signature(vectorRandom, "4c414c9ad7e5c4a4037d2b54482910beb7a3a0cf410a101d680f22062d8cd11c"),
		"joined with pipes": signature(vectorRandom, "e0c8efb126a2808f15f7ff4d10fb826015168cb75776dae8e7207e91361e67be"),
		"time in seconds":   strings.Replace(signature(vectorRandom, "9f93ddb60d060a61faaa95e1f2b3fc633f2654ed7403f992db6e65264dc71667"), vectorTime, "1374930120", 1),
		"hmac":              signature(vectorRandom, "ea5a75578bb0ce8ecfec55d0087dff8b472c00e9155831fd0c2b4df35a26a2c7"),
		"other case hashed": signature(vectorRandom, "ee8a3510b6fb034d99ef2110f95857ebb6c61c1b93281d6355169426dbf8958a"),
		"newline":           signature(vectorRandom, "c262104cf6989bd6bd0829f8f91a7f3951dc5384b1da52c528db546f1fcc6397"),
		"upper-case hex":    signature(vectorRandom, strings.ToUpper(good)),
		"upper-case random": signature(strings.ToUpper(vectorRandom), good),
		"unknown key":       strings.Replace(signature(vectorRandom, good), "examplekey", "ExampleKey", 1),
		"no hash":           signature(vectorRandom, ""),
		"no random":         signature("", good),
		"no signature":      "page=1",
	} {
		w := signed(t, Key{IP: vectorIP}, Knobs{}, 0, "organizations", query)
		if w.Code != http.StatusUnauthorized || w.Body.String() != `{"Message":"Authorization has been denied for this request."}` {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, k := range map[string]Key{"disabled": {IP: vectorIP, Disabled: true}, "other address": {IP: "203.0.113.8"}} {
		if w := signed(t, k, Knobs{}, 0, "organizations", signature(vectorRandom, good)); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := signed(t, Key{IP: vectorIP}, Knobs{UpperHex: true}, 0, "organizations", signature(vectorRandom, strings.ToUpper(good))); w.Code != http.StatusOK {
		t.Errorf("upper-case hex where it is accepted: %d", w.Code)
	}
}

func TestTimeMayBeOffByTheWindow(t *testing.T) {
	query := signature(vectorRandom, vectors[5].sum)
	for _, c := range []struct {
		after time.Duration
		knobs Knobs
		want  int
	}{
		{30 * time.Second, Knobs{}, 200},
		{30*time.Second + time.Millisecond, Knobs{}, 401},
		{-30 * time.Second, Knobs{}, 200},
		{-30*time.Second - time.Millisecond, Knobs{}, 401},
		{0, Knobs{ClockOffset: 45 * time.Second}, 401},
		{45 * time.Second, Knobs{ClockOffset: -45 * time.Second}, 200},
		{45 * time.Second, Knobs{Window: time.Minute}, 200},
	} {
		w := signed(t, Key{}, c.knobs, c.after, "organizations", query)
		if w.Code != c.want {
			t.Errorf("%v later, %v ahead: %d, want %d", c.after, c.knobs.ClockOffset, w.Code, c.want)
		}
		if date := vectorNow.Add(c.after + c.knobs.ClockOffset).UTC().Format(http.TimeFormat); w.Header().Get("Date") != date {
			t.Errorf("Date %s, want %s", w.Header().Get("Date"), date)
		}
	}
}

func TestTheSameRandomTwiceIsAcceptedUnlessStrict(t *testing.T) {
	s := NewServer(NewCampus(Spec{}, vectorNow), Options{Clock: func() time.Time { return vectorNow }, Keys: []Key{{Public: "examplekey", Private: "exampleprivate"}}})
	query := signature(vectorRandom, vectors[5].sum)
	for range 2 {
		if w := askSigned(s, "users", query); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	}
	if got := s.Requests(); !got[0].Fresh || got[1].Fresh {
		t.Errorf("fresh: %v, %v", got[0].Fresh, got[1].Fresh)
	}
	s.Set(func(k *Knobs) { k.StrictRandom = true })
	if w := askSigned(s, "users", query); w.Code != http.StatusUnauthorized {
		t.Error("strict:", w.Code)
	}
}

func TestOnlyTestTellsWhyAndOnlyInDebugMode(t *testing.T) {
	bad := signature(vectorRandom, vectors[4].sum)
	if w := signed(t, Key{Debug: true}, Knobs{}, 0, "test", bad); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "hash mismatch, expected algorithm SHA-256 (64 hex)") {
		t.Errorf("debug: %d %s", w.Code, w.Body)
	}
	if w := signed(t, Key{Debug: true}, Knobs{}, 71234*time.Millisecond, "test", bad); !strings.Contains(w.Body.String(), "time outside window by 41234 ms") {
		t.Errorf("debug: %s", w.Body)
	}
	if w := signed(t, Key{Debug: true, IP: "203.0.113.8"}, Knobs{}, 0, "test", bad); !strings.Contains(w.Body.String(), "ip 203.0.113.7 is not the registered address") {
		t.Errorf("debug: %s", w.Body)
	}
	for _, w := range []*httptest.ResponseRecorder{signed(t, Key{}, Knobs{}, 0, "test", bad), signed(t, Key{Debug: true}, Knobs{}, 0, "users", bad)} {
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if w := signed(t, Key{Scope: []string{}}, Knobs{}, 0, "TEST", signature(vectorRandom, vectors[5].sum)); !strings.Contains(w.Body.String(), `"items":[{"messages":["Success"]}]`) {
		t.Errorf("success: %s", w.Body)
	}
}

func TestScopeAndHeaderKeys(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	s.SetKey(plain.Public, func(k *Key) { k.Scope = []string{"users"}; k.Blind = []string{"users"} })
	if w := get(t, s, "organizations"); w.Code != http.StatusForbidden {
		t.Error("out of scope:", w.Code)
	}
	if e := list(t, s, "users"); e.TotalItems != 0 || e.Items == nil || len(e.Items) != 0 {
		t.Errorf("blind: %+v", e)
	}
	s.Set(func(k *Knobs) { k.ScopeStatus = http.StatusUnauthorized })
	if w := get(t, s, "organizations"); w.Code != http.StatusUnauthorized {
		t.Error("out of scope, other server:", w.Code)
	}
	s.SetKey(plain.Public, func(k *Key) { k.Header = "another" })
	if w := get(t, s, "users"); w.Code != http.StatusUnauthorized {
		t.Error("old header key:", w.Code)
	}
	s.Set(func(k *Knobs) { k.LoginRedirect = true })
	if w := get(t, s, "users"); w.Code != http.StatusFound || !strings.HasSuffix(w.Header().Get("Location"), "/engage/account/login") {
		t.Error("login:", w.Code)
	}
}

func TestTheLogHoldsNoSecret(t *testing.T) {
	s := NewServer(NewCampus(Spec{}, vectorNow), Options{Clock: func() time.Time { return vectorNow }, Keys: []Key{{Public: "examplekey", Private: "exampleprivate"}}})
	askSigned(s, "Users/800001", signature(vectorRandom, vectors[5].sum)+"&Status="+url.QueryEscape("Active"))
	got := s.Requests()
	if len(got) != 1 || got[0].Resource != "users" || got[0].ID != 800001 || got[0].Page != 1 || got[0].PageSize != 5 || got[0].Auth != "signed" || got[0].Status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	if len(got[0].Params) != 1 || got[0].Params["status"] != "Active" {
		t.Errorf("params: %v", got[0].Params)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/engage/api/memberships", nil))
	if err := s.ReadOnly(); w.Code != http.StatusMethodNotAllowed || err == nil {
		t.Error("a write:", w.Code, err)
	}
}
