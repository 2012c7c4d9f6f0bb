package engage

import (
	"strings"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/engage"
)

// The scenarios of the reference (section 13) that are the client's, against the fake. (1) and (2) are in sign_test.go.

func TestScenario1And2EveryAlgorithmIsLetInAndEveryOtherIsRefused(t *testing.T) {
	for _, ip := range []string{"", registered} {
		for hash := range algorithms() {
			for of := range algorithms() {
				cfg := signedConfig()
				cfg.Access = Access{Hash: hash, IP: ip}
				key := issued()
				key.Hash, key.IP = of, ip
				onCampus(t, cfg, func() *fake.Server { return newFake(key, fake.Options{}) }, func(t *testing.T, w world, _ *fake.Server) {
					_, ok, err := w.Test(t.Context())
					if (hash == of) != (ok && err == nil) {
						t.Errorf("%s for a key of %s with ip %q: %t, %v", hash, of, ip, ok, err)
					}
				})
			}
		}
	}
}

func TestScenario3EveryRequestHasARandomValueOfItsOwn(t *testing.T) {
	knobs := fake.Knobs{StrictRandom: true}
	onCampus(t, signedConfig(), func() *fake.Server { return newFake(issued(), fake.Options{Knobs: knobs}) }, func(t *testing.T, w world, s *fake.Server) {
		if items, err := readAll(t, w.Client, "memberships", 10); err != nil || len(items) != 60 {
			t.Errorf("%d items, %v", len(items), err)
		}
		for _, r := range s.Requests() {
			if !r.Fresh {
				t.Errorf("a random value came twice: %+v", r)
			}
		}
	})
}

func TestScenario4AClientThatIsSlowRecoversInOneRetryAndAWrongKeyStops(t *testing.T) {
	knobs := fake.Knobs{ClockOffset: 45 * time.Second}
	for _, login := range []bool{false, true} {
		knobs.LoginRedirect = login
		onCampus(t, signedConfig(), func() *fake.Server { return newFake(issued(), fake.Options{Knobs: knobs}) }, func(t *testing.T, w world, s *fake.Server) {
			if items, err := readAll(t, w.Client, "memberships", 10); err != nil || len(items) != 60 || len(s.Requests()) != 7 {
				t.Errorf("%d items with %d requests for 6 pages, %v", len(items), len(s.Requests()), err)
			}
		})
		key := issued()
		key.Private = "another"
		onCampus(t, signedConfig(), func() *fake.Server { return newFake(key, fake.Options{Knobs: knobs}) }, func(t *testing.T, w world, s *fake.Server) {
			_, _, err := w.Test(t.Context())
			want := extract.KindAuth
			if login {
				want = extract.KindRedirect
			}
			fails(t, err, want, "test")
			if len(s.Requests()) != 2 {
				t.Errorf("%d requests, want 2", len(s.Requests()))
			}
		})
	}
}

func TestScenario5And6PageThreeOfFiveIsAskedForAgainHoweverLongTheWait(t *testing.T) {
	for retryAfter, least := range map[string]time.Duration{"": 30 * time.Second, "200": 200 * time.Second} {
		onCampus(t, signedConfig(), func() *fake.Server { return newFake(issued(), fake.Options{}) }, func(t *testing.T, w world, s *fake.Server) {
			s.Fault(fake.Fault{Kind: fake.Status, Resource: "memberships", Page: 3, Times: 2, N: 429, RetryAfter: retryAfter})
			began := time.Now()
			items, err := readAll(t, w.Client, "memberships", 12)
			seen := map[string]bool{}
			for _, item := range items {
				seen[item] = true
			}
			if err != nil || len(seen) != 60 || len(items) != 60 || len(s.Requests()) != 7 {
				t.Errorf("%d items, %d of them different, with %d requests, %v", len(items), len(seen), len(s.Requests()), err)
			}
			if waited := time.Since(began); waited < 2*least {
				t.Errorf("waited %s, want %s at the least", waited, 2*least)
			}
			for _, r := range s.Requests() {
				if r.Age.Abs() > time.Second {
					t.Errorf("a signature was %s old", r.Age)
				}
			}
		})
	}
}

func TestScenario10NothingThatIsSecretIsInTheLogOfAHardDay(t *testing.T) {
	knobs := fake.Knobs{ClockOffset: 2 * time.Minute}
	onCampus(t, signedConfig(), func() *fake.Server { return newFake(issued(), fake.Options{Knobs: knobs}) }, func(t *testing.T, w world, s *fake.Server) {
		for i, f := range []fake.Fault{
			{Kind: fake.Status, N: 503},
			{Kind: fake.Page},
			{Kind: fake.Truncate, N: 9},
			{Kind: fake.Reset, N: 40},
			{Kind: fake.BadGzip},
			{Kind: fake.Garbage},
			{Kind: fake.Status, N: 429},
			{Kind: fake.Reset},
		} {
			f.Resource, f.Page, f.Times = "memberships", 1+i%5, 1
			s.Fault(f)
		}
		if items, err := readAll(t, w.Client, "memberships", 12); err != nil || len(items) != 60 {
			t.Errorf("%d items, %v", len(items), err)
		}
		if n := strings.Count(w.log.String(), "\n"); n < 8 { // bubble looks into every line; what breaks before an answer may be sent again by net/http, in silence
			t.Errorf("%d lines of log", n)
		}
	})
}
