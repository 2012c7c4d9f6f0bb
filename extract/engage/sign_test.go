package engage

import (
	"context"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncd/extract"
	"syncd/extract/upstream"
)

// vector is the input of all vectors of the reference (2.3), which were computed by two other programs.
func vector(ip string) signature {
	return signature{public: "examplekey", private: "exampleprivate", ip: ip, time: "1374930120000", random: "2f1c9a5e-0d6b-4f0e-9a53-0c8a5c3c9f11"}
}

const vectorIP = "203.0.113.7"

func TestSignatureIsThatOfTheEightVectors(t *testing.T) {
	for _, v := range []struct{ hash, ip, want string }{
		{"md5", vectorIP, "febfb193ba2e047ea4483d9129c90ae9"},
		{"sha256", vectorIP, "fdc658dbb4f8c3ad7ae7e90e0f7a7a63a9b2865c4c5e469cceb9c7af705ed77c"},
		{"sha384", vectorIP, "0fbc5ce4f3d7ef0c988c4f27d62938a692181b2539dea8a2d3b84464017c89ef814b97862a1dc7cab255bd6ea9329900"},
		{"sha512", vectorIP, "f44ca6188bd216d2b0260b50ec626f3ad3146ce3f7313e69ce2f0b10bcf682dc1e6405ebf64f7f35aeceeef21f457182b15f43365ac66bc0dcf1c17ac8685d6c"},
		{"md5", "", "757c220cd0c8aef709cd39d572ab6b8e"},
		{"sha256", "", "14162a69f5e32a2853b5c30523c8cde15df5899c1a8eb8c666bf9b37e9f2cd83"},
		{"sha384", "", "2f26ebfc6b17824b456ca8e9580d461cbcd13f68c799eaa3f032a9cb67a019ffc5b0e967b242588bb484f6f10f74ec30"},
		{"sha512", "", "72e051e7b6793225ab1f70f50ddb441b32998a7ca769d65fd2d6ba4cc7b03230d4d2f341b8070815fd68a982c01b7e191201727026d3e98c2936caf670a36451"},
	} {
		if got := vector(v.ip).hash(algorithms()[v.hash]()); got != v.want {
			t.Errorf("%s with ip %q: %s, want %s", v.hash, v.ip, got, v.want)
		}
	}
}

func TestSignatureIsNoneOfTheKnownMistakes(t *testing.T) {
	got := vector(vectorIP).hash(algorithms()["sha256"]())
	for mistake, hash := range map[string]string{
		"ip after time":                         "4c414c9ad7e5c4a4037d2b54482910beb7a3a0cf410a101d680f22062d8cd11c",
		"joined with a pipe":                    "e0c8efb126a2808f15f7ff4d10fb826015168cb75776dae8e7207e91361e67be",
		"time in seconds":                       "9f93ddb60d060a61faaa95e1f2b3fc633f2654ed7403f992db6e65264dc71667",
		"HMAC with the private key":             "ea5a75578bb0ce8ecfec55d0087dff8b472c00e9155831fd0c2b4df35a26a2c7",
		"upper-case UUID hashed":                "ee8a3510b6fb034d99ef2110f95857ebb6c61c1b93281d6355169426dbf8958a",
		"trailing newline":                      "c262104cf6989bd6bd0829f8f91a7f3951dc5384b1da52c528db546f1fcc6397",
		"upper-case digits":                     strings.ToUpper("fdc658dbb4f8c3ad7ae7e90e0f7a7a63a9b2865c4c5e469cceb9c7af705ed77c"),
		"without the ip though the key has one": "14162a69f5e32a2853b5c30523c8cde15df5899c1a8eb8c666bf9b37e9f2cd83",
	} {
		if got == hash {
			t.Errorf("%s", mistake)
		}
	}
}

func TestWhatIsHashedIsNotEscapedAndWhatIsSentIs(t *testing.T) {
	s := vector("")
	s.random = "r&=+ %é"
	got := s.query(algorithms()["sha256"]())
	want := "time=1374930120000&apikey=examplekey&random=r%26%3D%2B%20%25%C3%A9&hash=29c8e3627310afe0a742f95689408216eabf7d9b37a21c598a63eb38e87ff15f"
	if got != want {
		t.Errorf("query %s, want %s", got, want)
	}
	values, err := url.ParseQuery(got)
	if err != nil || values.Get("random") != s.random || len(values) != 4 {
		t.Errorf("the server reads %v, %v", values, err)
	}
}

func TestWorkedURLOfTheReferenceComesOut(t *testing.T) {
	want := "page=1&pageSize=500&time=1374930120000&apikey=examplekey&random=2f1c9a5e-0d6b-4f0e-9a53-0c8a5c3c9f11&hash=fdc658dbb4f8c3ad7ae7e90e0f7a7a63a9b2865c4c5e469cceb9c7af705ed77c"
	got := url.Values{"page": {"1"}, "pageSize": {"500"}}.Encode() + "&" + vector(vectorIP).query(algorithms()["sha256"]())
	if got != want {
		t.Errorf("query %s, want %s", got, want)
	}
}

func TestGUIDIsRandomVersion4InLowerCase(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := guid()
		if !shape.MatchString(id) {
			t.Fatalf("%s is no UUID of version 4", id)
		}
		seen[id] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 differ", len(seen))
	}
}

func TestASignatureDoesNotAgeWhileAConnectionIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent net.Conn // nobody reads at its other end
		cfg := signedConfig()
		cfg.Reach.Proxy = "none"
		cfg.Endpoint = upstream.Endpoint{
			Name: "engage.campus", URL: "https://campus.example.edu/engage/api/", Budget: &pacer{}, Tries: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				silent = theirs
				return ours, nil
			},
		}
		c, err := NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = c.Page(t.Context(), "users", nil, 1, 1, keep)
		fails(t, err, extract.KindTransient, "too slow")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a connection was waited for for %s", took)
		}
		_ = silent.Close()
		c.Close()
	})
}
