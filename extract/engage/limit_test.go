package engage

import (
	"net/http"
	"testing"
	"time"
)

func TestTooManyRequestsAreWaitedForAndLoseNothing(t *testing.T) {
	const seconds = time.Second
	for name, v := range map[string]struct {
		header      []string
		first, most time.Duration // waited after the first and the second refusal together
	}{
		"without a word":          {nil, (30 + 60) * seconds, (36 + 66) * seconds},
		"seconds":                 {[]string{"Retry-After", "7"}, 14 * seconds, 20 * seconds},
		"longer than is followed": {[]string{"Retry-After", "999999"}, 600 * seconds, 601 * seconds},
		"nonsense":                {[]string{"Retry-After", "soon"}, (30 + 60) * seconds, (36 + 66) * seconds},
	} {
		busy := status(429, "", v.header...)
		g := newGate(inTurn(pages(5), pages(5), busy, busy, pages(5)))
		var at []time.Time
		handler := func(w http.ResponseWriter, r *http.Request) {
			at = append(at, time.Now())
			g.ServeHTTP(w, r)
		}
		bubble(t, signedConfig(), handler, func(t *testing.T, w world) {
			items, err := readAll(t, w.Client, "users", 1)
			if err != nil || len(items) != 5 || g.count() != 7 {
				t.Fatalf("%s: %d items of 5 with %d requests of 7, %v", name, len(items), g.count(), err)
			}
			if waited := at[4].Sub(at[2]); waited < v.first || waited > v.most {
				t.Errorf("%s: waited %s, want %s to %s", name, waited, v.first, v.most)
			}
		})
	}
}

func TestRateIsHalvedForTenMinutes(t *testing.T) {
	budget := &pacer{}
	cfg := signedConfig()
	cfg.Endpoint.Budget = budget
	g := newGate(inTurn(pages(1), status(429, "", "Retry-After", "1"), pages(1)))
	bubble(t, cfg, g.ServeHTTP, func(t *testing.T, w world) {
		ask := func() (instants int) {
			before := len(budget.asked)
			if _, err := w.Page(t.Context(), "users", nil, 1, 1, keep); err != nil {
				t.Fatal(err)
			}
			return len(budget.asked) - before
		}
		if n := ask(); n != 1 {
			t.Errorf("%d instants before", n)
		}
		if n := ask(); n != 1+2 {
			t.Errorf("%d instants for the refused and the next attempt, want 3", n)
		}
		time.Sleep(9 * time.Minute) // of the bubble's time
		if n := ask(); n != 2 {
			t.Errorf("%d instants within ten minutes, want 2", n)
		}
		time.Sleep(2 * time.Minute)
		if n := ask(); n != 1 {
			t.Errorf("%d instants after ten minutes, want 1", n)
		}
		if budget.held != 0 || budget.most != 1 {
			t.Errorf("%d places are held at the end, %d at once", budget.held, budget.most)
		}
	})
}

func TestRefusalsWithoutEndEndTheRequest(t *testing.T) {
	g := newGate(status(429, ""))
	bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
		_, err := readAll(t, w.Client, "users", 1)
		fails(t, err, "transient", "429")
		if g.count() != 5 {
			t.Errorf("%d requests", g.count())
		}
	})
}
