package load

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/internal/pgtest"
)

const aSource = "redcap.main"

// circuitsAt are the circuits of a source in several processes, in a time of the test's own.
func circuitsAt(t *testing.T, y *years, n int) (look *Warehouse, all []*Circuit) {
	t.Helper()
	db := pgtest.New(t)
	for range n {
		c := warehouseAt(t, Config{URL: db}).Circuit(aSource)
		c.now = y.time
		all = append(all, c)
	}
	return all[0].w, all
}

func (y *years) pass(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.now = y.now.Add(d)
}

func settle(t *testing.T, c *Circuit, failure string) {
	t.Helper()
	if err := c.Settle(t.Context(), failure); err != nil {
		t.Fatal(err)
	}
}

// admitted reports what a circuit says: sent, probe, or why not.
func admitted(t *testing.T, c *Circuit) string {
	t.Helper()
	down, probe, err := c.Admit(t.Context())
	switch {
	case err != nil:
		t.Fatal(err)
	case probe:
		return "probe"
	case down == "":
		return "sent"
	}
	return down
}

func TestCircuitOpensAfterThreeFailuresInARowOfWhateverProcess(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	look, c := circuitsAt(t, y, 3)
	for range 2 { // an answer between them makes the row start anew
		settle(t, c[0], "status 503")
		settle(t, c[1], "server unreachable")
		y.pass(heardFor)
		settle(t, c[2], "")
	}
	settle(t, c[1], "server unreachable")
	settle(t, c[2], "server unreachable")
	if got := admitted(t, c[0]); got != "sent" {
		t.Fatalf("after two failures in a row: %s", got)
	}
	y.pass(time.Minute)
	settle(t, c[0], "status 503")
	since := y.time()
	want := aSource + " is down since " + since.Local().Format("15:04") + " (status 503); next probe at " + since.Add(ProbeEvery).Local().Format("15:04")
	for _, c := range c {
		if got := admitted(t, c); got != want {
			t.Errorf("after three: %s, want %s", got, want)
		}
	}
	settle(t, c[0], "server unreachable") // one that was under way; it neither moves the hour nor the probe
	if got := admitted(t, c[1]); got != strings.Replace(want, "status 503", "server unreachable", 1) {
		t.Errorf("after four: %s", got)
	}
	other := look.Circuit("redcap.other")
	if got := admitted(t, other); got != "sent" {
		t.Errorf("another source: %s", got)
	}
	all, err := look.Outages(t.Context())
	if err != nil || len(all) != 1 || all[0].Source != aSource || !all[0].Since.Equal(since) {
		t.Errorf("outages %+v, %v", all, err)
	}
}

func TestAnswersThatFollowEachOtherQuicklyAreAskedForOnce(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	_, c := circuitsAt(t, y, 2)
	settle(t, c[0], "")
	for range failuresInARow {
		settle(t, c[1], "status 503")
	}
	settle(t, c[0], "") // so soon after the one before it is not worth a statement
	if got := admitted(t, c[0]); got != "sent" {
		t.Errorf("after an answer just now: %s", got)
	}
	if got := admitted(t, c[1]); !strings.Contains(got, "is down") {
		t.Errorf("where it failed: %s", got)
	}
	y.pass(heardFor / 2)
	settle(t, c[0], "") // this one is: the circuit never opens for long while the server answers
	if got := admitted(t, c[1]); got != "sent" {
		t.Errorf("after a later answer: %s", got)
	}
	for range failuresInARow {
		settle(t, c[1], "status 503")
	}
	y.pass(heardFor)
	if got := admitted(t, c[0]); !strings.Contains(got, "is down") {
		t.Errorf("after a while without answers: %s", got)
	}
}

func TestAFailureMakesAProcessAskAtOnce(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	_, c := circuitsAt(t, y, 1)
	settle(t, c[0], "")
	for range failuresInARow {
		if got := admitted(t, c[0]); got != "sent" {
			t.Errorf("before the third failure: %s", got)
		}
		settle(t, c[0], "status 503")
	}
	if got := admitted(t, c[0]); !strings.Contains(got, "is down") {
		t.Errorf("after the third: %s", got)
	}
}

func TestOneProbeInTwoMinutesIsSentToAServerThatIsDown(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	_, c := circuitsAt(t, y, 4)
	for range failuresInARow {
		settle(t, c[0], "server unreachable")
	}
	const steps, step = 61, 10 * time.Second // ten minutes
	var probes []time.Time
	for range steps {
		var sent atomic.Int64
		var all sync.WaitGroup
		for _, c := range c {
			all.Go(func() {
				down, probe, err := c.Admit(t.Context())
				if err != nil {
					t.Error(err)
				}
				if down == "" {
					sent.Add(1)
				}
				if probe != (down == "") {
					t.Errorf("sent as no probe: %q", down)
				}
			})
		}
		all.Wait()
		switch sent.Load() {
		case 0:
		case 1:
			probes = append(probes, y.time())
			settle(t, c[1], "server unreachable")
		default:
			t.Fatalf("%d probes at once", sent.Load())
		}
		y.pass(step)
	}
	if len(probes) != 5 {
		t.Fatalf("%d probes in ten minutes, want 5", len(probes))
	}
	for i := range probes[1:] {
		if d := probes[i+1].Sub(probes[i]); d != ProbeEvery {
			t.Errorf("%s between probes", d)
		}
	}
	y.pass(ProbeEvery)
	if got := admitted(t, c[2]); got != "probe" {
		t.Fatalf("a probe is due: %s", got)
	}
	settle(t, c[2], "")
	for _, c := range c {
		if got := admitted(t, c); got != "sent" {
			t.Errorf("after an answer: %s", got)
		}
	}
	settle(t, c[0], "server unreachable")
	if got := admitted(t, c[0]); got != "sent" {
		t.Errorf("the first failure after an answer: %s", got)
	}
}

func TestRunThatIsTheProbeMaySendOneRequest(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	_, c := circuitsAt(t, y, 2)
	ctx, outage, err := c[0].Begin(t.Context())
	if err != nil || outage != nil {
		t.Fatalf("closed: %v, %v", outage, err)
	}
	if _, _, err := c[0].Admit(ctx); err != nil {
		t.Fatal(err)
	}
	for range failuresInARow {
		settle(t, c[0], "server unreachable")
	}
	if _, outage, err = c[0].Begin(t.Context()); err != nil || outage == nil || outage.ProbeAt.Sub(outage.At) != ProbeEvery {
		t.Fatalf("open: %+v, %v", outage, err)
	}
	y.pass(ProbeEvery)
	ctx, outage, err = c[0].Begin(t.Context())
	if err != nil || outage != nil {
		t.Fatalf("a probe is due: %v, %v", outage, err)
	}
	if _, other, err := c[1].Begin(t.Context()); err != nil || other == nil {
		t.Fatalf("a second run may begin: %v, %v", other, err)
	}
	for i, want := range []bool{true, false} {
		down, probe, err := c[0].Admit(context.WithoutCancel(ctx))
		if err != nil || probe != want || (down == "") != want {
			t.Errorf("request %d: %q, %v, %v", i, down, probe, err)
		}
	}
	ctx, _, _ = c[0].Begin(ctx)
	if down, probe, err := c[0].w.Circuit("redcap.other").Admit(ctx); down != "" || probe || err != nil {
		t.Errorf("the pass of one source is taken at another: %q, %v, %v", down, probe, err)
	}
}

func TestOutageNamesTheDayWhereItIsAnother(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	o := &Outage{Source: aSource, Failure: "status 503", Since: at.Add(-25 * time.Hour), ProbeAt: at.Add(time.Minute), At: at}
	if got, want := o.Refusal(), "redcap.main is down since 2026-11-24 11:00 (status 503); next probe at 12:01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSlotIsSparedWhereItsSourceSeemsToBeDown(t *testing.T) {
	t.Parallel()
	y := newYears(1)
	w, c := circuitsAt(t, y, 1)
	slot := Slot{Job: "asthma", Kind: "sync", At: y.time()}
	spared := func() bool {
		t.Helper()
		yes, err := w.Spared(t.Context(), aSource, slot)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	fail := func() {
		t.Helper()
		if _, err := w.Record(t.Context(), Recording{Job: slot.Job, Kind: slot.Kind, Times: []time.Time{slot.At}}); err != nil {
			t.Fatal(err)
		}
		o := order()
		o.Slot = slot.At
		r := begin(t, w, o)
		end(t, r, Ending{State: Failed, ErrorKind: "transient", Error: "export version: server unreachable", Again: spared()})
	}
	state := func() string {
		return ask[string](t, w, "SELECT state || coalesce(': ' || reason, '') FROM syncd.slot")
	}
	if spared() {
		t.Error("spared though nothing was said of the source")
	}
	for range failuresInARow - 1 { // its own requests succeed, but for the last: that does not go on for ever
		settle(t, c[0], "")
		settle(t, c[0], "server unreachable")
		if fail(); state() != "due: export version: server unreachable" {
			t.Fatalf("the slot is %s", state())
		}
	}
	settle(t, c[0], "")
	settle(t, c[0], "server unreachable")
	if fail(); state() != "failed: export version: server unreachable" {
		t.Fatalf("the slot is %s", state())
	}
	slot.At = slot.At.Add(time.Minute)
	settle(t, c[0], "server unreachable")
	settle(t, c[0], "server unreachable")
	for range failuresInARow + 1 {
		fail()
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.slot WHERE state = 'due' AND run_id IS NULL"); n != 1 {
		t.Errorf("%d slots wait while the source is down", n)
	}
}

func TestSlotsOfASourceStandInLine(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	at := newYears(1).time()
	for _, job := range []string{"a", "b", "c", "elsewhere"} {
		source := aSource
		if job == "elsewhere" {
			source = "redcap.other"
		}
		if err := w.Seen(t.Context(), Order{Job: job, Schema: job, Source: source}, "", at); err != nil {
			t.Fatal(err)
		}
	}
	line := []Slot{{"b", "sync", at}, {"a", "full", at.Add(time.Minute)}, {"a", "sync", at.Add(time.Minute)}, {"c", "sync", at.Add(time.Minute)}}
	for _, s := range append(line, Slot{"elsewhere", "sync", at}) {
		if _, err := w.Record(t.Context(), Recording{Job: s.Job, Kind: s.Kind, Times: []time.Time{s.At}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range line {
		if n, err := w.Ahead(t.Context(), aSource, s); err != nil || n != i {
			t.Errorf("%d slots before %v, want %d (%v)", n, s, i, err)
		}
	}
}
