package engage

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/engage"
)

const (
	registered = "203.0.113.7"
	otherIP    = "198.51.100.9"
)

// issued is the key of the tests as the fake knows it.
func issued() fake.Key { return fake.Key{Public: publicKey, Private: privateKey, Header: apiKey} }

// newFake serves a small campus to requests that come from registered, unless peer says otherwise.
func newFake(key fake.Key, o fake.Options) *fake.Server {
	o.Keys = []fake.Key{key}
	if o.Peer == nil {
		o.Peer = func(*http.Request) string { return registered }
	}
	spec := fake.Spec{Organizations: 12, Users: 40, Memberships: 60, Events: 20, Attendees: 60, Transactions: -1, Seed: 7}
	return fake.NewServer(fake.NewCampus(spec, time.Now()), o)
}

// onCampus runs test in a bubble against a fake that up makes.
func onCampus(t *testing.T, cfg Config, up func() *fake.Server, test func(t *testing.T, w world, s *fake.Server)) {
	t.Helper()
	var s *fake.Server
	bubble(t, cfg, func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }, func(t *testing.T, w world) {
		s = up()
		test(t, w, s)
		if err := s.ReadOnly(); err != nil {
			t.Error(err)
		}
	})
}

// finding returns the one about something.
func finding(t *testing.T, found []extract.Finding, what string) extract.Finding {
	t.Helper()
	for _, f := range found {
		if f.What == what {
			if leaks(f.Detail + f.Next) {
				t.Errorf("the finding tells a key: %+v", f)
			}
			return f
		}
	}
	t.Fatalf("no finding about %s in %+v", what, found)
	return extract.Finding{}
}

func TestCheckFindsAKeyThatIsLetIn(t *testing.T) {
	withIP := signedConfig()
	withIP.Access.IP = registered
	for name, v := range map[string]struct {
		cfg Config
		ip  string
	}{"signed": {signedConfig(), ""}, "signed with an address": {withIP, registered}, "header": {headerConfig(), ""}} {
		key := issued()
		key.IP = v.ip
		onCampus(t, v.cfg, func() *fake.Server { return newFake(key, fake.Options{}) }, func(t *testing.T, w world, s *fake.Server) {
			found := w.Check(t.Context())
			for _, f := range found {
				if !f.OK || f.Warning {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if f := finding(t, found, "key"); !strings.Contains(f.Detail, `"Success"`) {
				t.Errorf("%s: the server's words are not shown: %+v", name, f)
			}
			if s.Count("test") != 1 || len(s.Requests()) != 1 {
				t.Errorf("%s: %d requests", name, len(s.Requests()))
			}
			for _, what := range []string{"reachable", "tls", "clock"} {
				finding(t, found, what)
			}
		})
	}
}

func TestCheckSaysWhatMayBeWrongWithAKeyThatIsRefused(t *testing.T) {
	type wants map[string]string // words by finding
	ip := func(text string) func(*Config) { return func(c *Config) { c.Access.IP = text } }
	for name, v := range map[string]struct {
		key   func(*fake.Key)
		knobs fake.Knobs
		peer  string
		cfg   func(*Config)
		want  wants
	}{
		"another private key": {func(k *fake.Key) { k.Private = "another" }, fake.Knobs{}, "", nil, wants{
			"key": "status 401", "clock": "this is not the reason", "hash": "sha256, 64 hexadecimal digits in lower case",
			"ip": "signed without an address", "fields": "public key, time in milliseconds, random, private key", "support": "debug mode",
		}},
		"another algorithm": {func(k *fake.Key) { k.Hash = "sha512" }, fake.Knobs{}, "", func(c *Config) { c.Access.Hash = "sha384" }, wants{
			"hash": "sha384, 96 hexadecimal digits", "support": "for which algorithm",
		}},
		"an address where there is none": {func(*fake.Key) {}, fake.Knobs{}, "", ip(registered), wants{
			"ip": "leave ip out", "fields": "public key, ip, time in milliseconds, random, private key",
		}},
		"no address where there is one": {func(k *fake.Key) { k.IP = registered }, fake.Knobs{}, "", nil, wants{"ip": "set ip to it"}},
		"another way out": {func(k *fake.Key) { k.IP = registered }, fake.Knobs{}, otherIP, ip(registered), wants{
			"ip": "by which one this machine goes out", "support": "to which one IPv4 address",
		}},
		"another way out, asked for": {func(k *fake.Key) { k.IP = registered }, fake.Knobs{}, otherIP, ip("auto:http://127.0.0.1:8080/ip"), wants{
			"ip": "signed with " + otherIP,
		}},
		"clock and key wrong": {func(k *fake.Key) { k.Private = "another" }, fake.Knobs{ClockOffset: 45 * time.Second}, "", nil, wants{
			"clock": "behind the server's; a request signed by the server's time was refused as well",
		}},
		"clock a day off": {func(*fake.Key) {}, fake.Knobs{ClockOffset: -25 * time.Hour}, "", nil, wants{"clock": "too much to be made up for"}},
		"disabled":        {func(k *fake.Key) { k.Disabled = true }, fake.Knobs{}, "", nil, wants{"support": "is the key enabled"}},
		"a login page":    {func(k *fake.Key) { k.Disabled = true }, fake.Knobs{LoginRedirect: true}, "", nil, wants{"key": "never followed", "support": "is the key enabled"}},
	} {
		cfg := signedConfig()
		if v.cfg != nil {
			v.cfg(&cfg)
		}
		key := issued()
		v.key(&key)
		o := fake.Options{Knobs: v.knobs}
		if v.peer != "" {
			o.Peer = func(*http.Request) string { return v.peer }
		}
		onCampus(t, cfg, func() *fake.Server { return newFake(key, o) }, func(t *testing.T, w world, s *fake.Server) {
			found := w.Check(t.Context())
			if f := finding(t, found, "key"); f.OK || f.Warning {
				t.Errorf("%s: %+v", name, f)
			}
			for what, words := range v.want {
				if f := finding(t, found, what); !strings.Contains(f.Detail+" "+f.Next, words) {
					t.Errorf("%s: finding %+v does not say %q", name, f, words)
				}
			}
			if f := finding(t, found, "clock"); (f.Next == nextNTP) != strings.Contains(name, "clock") {
				t.Errorf("%s: %+v", name, f)
			}
			if s.Count("test") > 2 {
				t.Errorf("%s: test was asked %d times", name, s.Count("test"))
			}
		})
	}
}

func TestCheckShowsWhatTestSaysOfAKeyInDebugMode(t *testing.T) {
	key := issued()
	key.Debug, key.Hash = true, "md5"
	onCampus(t, signedConfig(), func() *fake.Server { return newFake(key, fake.Options{}) }, func(t *testing.T, w world, _ *fake.Server) {
		found := w.Check(t.Context())
		if f := finding(t, found, "key"); f.OK || !strings.Contains(f.Detail, "hash mismatch, expected algorithm MD5 (32 hex)") {
			t.Errorf("%+v", f)
		}
		finding(t, found, "hash")
	})
}

func TestAKeyInDebugModeIsHelpedOutOfAWrongClock(t *testing.T) {
	for private, ok := range map[string]bool{privateKey: true, "another": false} {
		key := issued()
		key.Debug, key.Private = true, private
		knobs := fake.Knobs{ClockOffset: 45 * time.Second, ScopeStatus: http.StatusUnauthorized}
		onCampus(t, signedConfig(), func() *fake.Server { return newFake(key, fake.Options{Knobs: knobs}) }, func(t *testing.T, w world, s *fake.Server) {
			messages, in, err := w.Test(t.Context())
			if in != ok || err != nil || s.Count("test") != 2 {
				t.Errorf("let in: %t, %q, %v after %d requests", in, messages, err, s.Count("test"))
			}
			if in {
				return
			}
			_, err = readAll(t, w.Client, "users", 10)
			fails(t, err, extract.KindAuth, "401")
			if s.Count("test") != 2 {
				t.Error("test was asked for a key that was never let in")
			}
		})
	}
}

func TestCheckSaysWhatAHeaderKeyMayLack(t *testing.T) {
	onCampus(t, headerConfig(), func() *fake.Server { return newFake(fake.Key{Header: "another"}, fake.Options{}) }, func(t *testing.T, w world, s *fake.Server) {
		found := w.Check(t.Context())
		if f := finding(t, found, "header"); !strings.Contains(f.Next, `auth = "signed"`) {
			t.Errorf("%+v", f)
		}
		if f := finding(t, found, "support"); !strings.Contains(f.Next, "enabled") || len(s.Requests()) != 1 {
			t.Errorf("%+v after %d requests", f, len(s.Requests()))
		}
	})
}

func TestCheckNamesResourcesOutOfScope(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusUnauthorized} {
		key := issued()
		key.Scope = []string{"organizations"}
		onCampus(t, signedConfig(), func() *fake.Server { return newFake(key, fake.Options{Knobs: fake.Knobs{ScopeStatus: status}}) }, func(t *testing.T, w world, _ *fake.Server) {
			w.Check(t.Context())
			if f := w.CheckResource(t.Context(), "organizations", "organizations", nil); !f.OK || f.Detail != "12 listed" {
				t.Errorf("%+v", f)
			}
			if f := w.CheckResource(t.Context(), "users", "users", nil); f.OK || !f.Warning || !strings.Contains(f.Next, "scope") || !strings.Contains(f.Detail, "left out") {
				t.Errorf("status %d: %+v", status, f)
			}
		})
	}
	onCampus(t, signedConfig(), func() *fake.Server { return newFake(issued(), fake.Options{}) }, func(t *testing.T, w world, _ *fake.Server) {
		if f := w.CheckResource(t.Context(), "experiences", "experiences", nil); f.OK || f.Warning || !strings.Contains(f.Next, "path of the resource") {
			t.Errorf("a resource that the campus does not have: %+v", f)
		}
	})
}

func TestCheckEndsWhereNothingCanBeSentOrNothingAnswers(t *testing.T) {
	missing := signedConfig()
	missing.PrivateKey = func(context.Context) (string, error) { return "", errors.New("no such file") }
	bubble(t, missing, func(http.ResponseWriter, *http.Request) { t.Error("a request came") }, func(t *testing.T, w world) {
		if found := w.Check(t.Context()); len(found) != 1 || found[0].What != "private_key" || found[0].OK || !strings.Contains(found[0].Detail, "no such file") {
			t.Errorf("%+v", found)
		}
	})
	for name, v := range map[string]struct {
		answer http.HandlerFunc
		words  string
	}{
		"down": {status(500, ""), "status 500"}, "maintenance": {status(200, "<html>"), "a web page"}, "firewall": {status(403, "<html>"), "firewall"},
	} {
		cfg := signedConfig()
		cfg.Endpoint.Tries = 1
		bubble(t, cfg, v.answer, func(t *testing.T, w world) {
			found := w.Check(t.Context())
			last := found[len(found)-1]
			if last.OK || last.Warning || last.Next == "" || !strings.Contains(last.Detail, v.words) {
				t.Errorf("%s: %+v", name, found)
			}
		})
	}
}

func TestCheckGoesOnWhereTestIsNotToBeHad(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusNotFound} {
		bubble(t, signedConfig(), status(code, "{}"), func(t *testing.T, w world) {
			if f := finding(t, w.Check(t.Context()), "key"); f.OK || !f.Warning {
				t.Errorf("status %d: %+v", code, f)
			}
		})
	}
}

func TestWordsOfTheServerAreShownWithoutWhatIsOurs(t *testing.T) {
	long := strings.Repeat("é", 400)
	body := `{"pageNumber":1,"pageSize":1,"totalItems":1,"totalPages":1,"items":[{"messages":["key ` + strings.ToUpper(publicKey) + `\u001b[2J ok","` +
		strings.Repeat("ab", 32) + `","` + long + `"]},{"messages":"odd"},{}]}`
	bubble(t, signedConfig(), status(200, body), func(t *testing.T, w world) {
		messages, ok, err := w.Test(t.Context())
		if err != nil || ok || len(messages) != 3 {
			t.Fatalf("%q, %t, %v", messages, ok, err)
		}
		if messages[0] != "key [key] [2J ok" || messages[1] != "[hash]" || messages[2] != long[:2*toldLength]+"..." {
			t.Errorf("messages %q", messages)
		}
	})
}
