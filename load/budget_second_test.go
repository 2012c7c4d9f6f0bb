package load

import (
	"fmt"
	"testing"
	"time"

	"syncd/internal/pgtest"
)

// TestFewComeAtOnceAndThenSoManyASecond sends for a minute as fast as a budget of two a second lets one.
func TestFewComeAtOnceAndThenSoManyASecond(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	y := newYears(1)
	b := w.PerSecond(aHost, 2, 5).in(y)
	var began time.Time
	send := func() time.Duration {
		done, err := b.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done()
		return y.time().Sub(began)
	}
	send() // the first of all
	if err := y.sleep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	began = y.time()
	var sent []time.Duration
	for y.time().Sub(began) < time.Minute {
		sent = append(sent, send())
	}
	if sent[4] > 10*time.Millisecond || sent[5] < 400*time.Millisecond {
		t.Errorf("the first six were sent %v after the pause", sent[:6])
	}
	if n := len(sent); n < 120 || n > 126 {
		t.Errorf("%d requests in a minute", n)
	}
}

func TestServerOfOnePlaceIsAskedByOneAtATime(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	look, one, two := warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db})
	done, err := one.PerSecond(aHost, 1000, 1000).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan func())
	go func() {
		done, err := two.PerSecond(aHost, 1000, 1000).Wait(t.Context())
		if err != nil {
			t.Error(err)
		}
		entered <- done
	}()
	waitFor(t, look, fmt.Sprintf(placesHeld, 1, 1))
	select {
	case <-entered:
		t.Fatal("a second request was let through")
	default:
	}
	done()
	(<-entered)()
	if got := placesOf(t, look); got != "0 0" {
		t.Errorf("places left behind: %s", got)
	}
}
