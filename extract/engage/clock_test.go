package engage

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

func TestAWrongClockIsMadeUpForInOneAttempt(t *testing.T) {
	for _, ahead := range []time.Duration{45 * time.Second, -45 * time.Second, 23 * time.Hour, -23 * time.Hour} {
		g := newGate(pages(30))
		g.ahead = ahead
		bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
			items, err := readAll(t, w.Client, "users", 10)
			if err != nil || len(items) != 30 || g.count() != 4 {
				t.Errorf("%s: %d items with %d requests for 3 pages, %v", ahead, len(items), g.count(), err)
			}
			if off, ok := w.Clock(); !ok || (off-ahead).Abs() > time.Second {
				t.Errorf("clock %s, want %s", off, ahead)
			}
			if said := w.Warnings(); len(said) != 1 || !strings.Contains(said[0], "NTP") || !strings.Contains(said[0], "signed by the server's time") {
				t.Errorf("warnings %q", said)
			}
			if !strings.Contains(w.log.String(), `"level":"WARN"`) {
				t.Errorf("log %s", w.log)
			}
		})
	}
}

func TestAWrongKeyStopsAfterTwoRequestsWhateverTheClock(t *testing.T) {
	for _, v := range []struct {
		ahead    time.Duration
		requests int
	}{
		{0, 1},
		{4 * time.Second, 1}, // not worth another
		{45 * time.Second, 2},
		{25 * time.Hour, 1}, // too much to be believed
		{-25 * time.Hour, 1},
	} {
		g := newGate(pages(1))
		g.ahead, g.private = v.ahead, "another"
		bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
			_, err := readAll(t, w.Client, "users", 10)
			fails(t, err, extract.KindAuth, "401")
			fails(t, err, extract.KindAuth, "syncd check")
			if g.count() != v.requests {
				t.Errorf("%s: %d requests, want %d", v.ahead, g.count(), v.requests)
			}
			_, err = readAll(t, w.Client, "users", 10)
			fails(t, err, extract.KindAuth, "401")
			if g.count() != v.requests+1 {
				t.Errorf("%s: %d requests for the second question, want 1", v.ahead, g.count()-v.requests)
			}
		})
	}
}

func TestAClockThatIsSetInTheMiddleOfAWalkLosesNothing(t *testing.T) {
	g := newGate(nil)
	n := 0
	g.next = func(w http.ResponseWriter, r *http.Request) {
		pages(50)(w, r)
		if n++; n == 2 { // our clock is set back
			g.mu.Lock()
			g.ahead += 90 * time.Second
			g.mu.Unlock()
		}
	}
	bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
		items, err := readAll(t, w.Client, "users", 10)
		if err != nil || len(items) != 50 || g.count() != 6 {
			t.Errorf("%d items with %d requests, %v", len(items), g.count(), err)
		}
	})
}

func TestAServerThatTellsNoTimeIsNotAskedTwice(t *testing.T) {
	n := 0
	bubble(t, signedConfig(), func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header()["Date"] = nil
		w.WriteHeader(http.StatusUnauthorized)
	}, func(t *testing.T, w world) {
		_, err := readAll(t, w.Client, "users", 10)
		fails(t, err, extract.KindAuth, "401")
	})
	if n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestAClockThatDiffersALittleIsWorthAWordAndNothingElse(t *testing.T) {
	for ahead, words := range map[time.Duration]string{
		0: "", 9 * time.Second: "", 20 * time.Second: "s behind the server's", -20 * time.Second: "s ahead of the server's",
	} {
		g := newGate(pages(1))
		g.ahead = ahead
		bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
			if _, err := readAll(t, w.Client, "users", 10); err != nil || g.count() != 1 {
				t.Fatalf("%d requests, %v", g.count(), err)
			}
			said := strings.Join(w.Warnings(), "")
			if (words == "") != (said == "") || !strings.Contains(said, words) {
				t.Errorf("%s: warnings %q", ahead, said)
			}
		})
	}
}
