package load

import (
	"errors"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

func TestWhatIsPausedBeginsNothingUntilItIsResumed(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	ctx := t.Context()
	running := begin(t, w, order())
	for _, subject := range []string{"asthma", "redcap.main"} {
		for i, want := range []bool{true, false} {
			fresh, err := w.Pause(ctx, subject, "ann@etl", "moving "+strings.Repeat("on", i))
			if err != nil || fresh != want {
				t.Fatalf("pause %s: %v, %v", subject, fresh, err)
			}
		}
		o := order()
		o.Source = "redcap.main"
		o.Job = "asthma"
		var paused *PausedError
		if _, err := w.Begin(ctx, o); !errors.As(err, &paused) || paused.Pause.Subject != subject {
			t.Fatalf("a run began while %s was paused: %v", subject, err)
		}
		if got := paused.Pause.String(); !strings.HasPrefix(got, "paused by ann@etl since 20") || !strings.HasSuffix(got, " UTC: moving ") {
			t.Errorf("it says %q", got)
		}
		if err := w.Paused(ctx, "asthma", "redcap.main"); !errors.As(err, &paused) {
			t.Errorf("paused: %v", err)
		}
		if err := running.Beat(ctx); err != nil {
			t.Errorf("what is running goes on: %v", err)
		}
		ended, err := w.Resume(ctx, subject, "bob@etl")
		if err != nil || ended == nil || ended.By != "ann@etl" {
			t.Fatalf("resume: %+v, %v", ended, err)
		}
		if ended, err = w.Resume(ctx, subject, "bob@etl"); err != nil || ended != nil {
			t.Fatalf("resumed twice: %+v, %v", ended, err)
		}
	}
	other := order()
	other.Job, other.Schema, other.Source = "copd", "copd", "redcap.other"
	if _, err := w.Pause(ctx, "asthma", "ann@etl", ""); err != nil {
		t.Fatal(err)
	}
	end(t, begin(t, w, other), Ending{State: Succeeded})
	got := ask[string](t, w, "SELECT string_agg(actor || ' ' || action || ' ' || subject, ', ' ORDER BY audit_id) FROM syncd.audit")
	want := "ann@etl pause asthma, bob@etl resume asthma, ann@etl pause redcap.main, bob@etl resume redcap.main, ann@etl pause asthma"
	if got != want {
		t.Errorf("audit: %s", got)
	}
}

func TestCancelledRunHearsSoWithItsBeatAlsoBehindItsOwnBatch(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	ctx := t.Context()
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	r := begin(t, w, o)
	c, err := w.Cancel(ctx, r.ID(), "ann@etl", false)
	if err != nil || c.Job != "asthma" || !c.SlotAt.Equal(o.Slot) || c.By != "ann@etl" {
		t.Fatalf("%+v, %v", c, err)
	}
	tx := start(t, w)
	if err := r.hold(ctx, tx); err != nil {
		t.Fatal(err)
	}
	var asked *CancelledError
	if err := r.Beat(ctx); !errors.As(err, &asked) || asked.By != "ann@etl" || asked.Now {
		t.Fatalf("behind its batch the run heard %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if c, err = w.Cancel(ctx, r.ID(), "bob@etl", true); err != nil || c.By != "ann@etl" {
		t.Fatalf("cancelled again: %+v, %v", c, err)
	}
	silence(t, w)
	if err := r.Beat(ctx); !errors.As(err, &asked) || !asked.Now {
		t.Fatalf("the run heard %v", err)
	}
	if lost, err := w.Reap(ctx); err != nil || len(lost) != 0 {
		t.Fatalf("a run that heard of its end was not counted as alive: %v, %v", lost, err)
	}
	end(t, r, Ending{State: Cancelled, By: asked.By})
	if got := ask[string](t, w, "SELECT state || ' ' || reason FROM syncd.slot"); got != "skipped cancelled by ann@etl" {
		t.Errorf("slot: %s", got)
	}
	for id, want := range map[int64]string{r.ID(): "has ended: it is cancelled", 999: "there is no run 999"} {
		if _, err := w.Cancel(ctx, id, "ann@etl", false); extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), want) {
			t.Errorf("cancel run %d: %v", id, err)
		}
	}
}

func TestSlotOfACancelledRunWhoseHolderDiedIsSkipped(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	r := begin(t, w, o)
	if _, err := w.Cancel(t.Context(), r.ID(), "ann@etl", false); err != nil {
		t.Fatal(err)
	}
	silence(t, w)
	if lost, err := w.Reap(t.Context()); err != nil || len(lost) != 1 {
		t.Fatalf("%v, %v", lost, err)
	}
	if got := ask[string](t, w, "SELECT state || ' ' || reason FROM syncd.slot WHERE ended_at IS NOT NULL"); got != "skipped cancelled by ann@etl" {
		t.Errorf("slot: %s", got)
	}
}

func TestSlotThatLosesEveryRunFailsInTheEnd(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	for i := range lostRuns {
		if got := ask[string](t, w, "SELECT state FROM syncd.slot"); got != "due" {
			t.Fatalf("after %d lost runs the slot is %s", i, got)
		}
		begin(t, w, o)
		silence(t, w)
		if _, err := w.Reap(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := ask[string](t, w, "SELECT state || ' ' || reason FROM syncd.slot")
	if !strings.HasPrefix(got, "failed 10 runs of the slot were lost, the last one because run 10 was silent") {
		t.Errorf("slot: %s", got)
	}
}

func TestSlotsWithoutAJobOrARunDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	ctx := t.Context()
	gone := func() []string {
		t.Helper()
		gone, err := w.Have(ctx, []string{"copd"})
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	for _, job := range []string{"asthma", "copd"} {
		if err := w.Seen(ctx, Order{Job: job, Schema: job, Source: "redcap.main"}, "@daily", slotTime(0)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Record(ctx, Recording{Job: job, Kind: "sync", Times: []time.Time{slotTime(1)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Have(ctx, []string{"asthma", "copd"}); err != nil {
		t.Fatal(err)
	}
	if jobs := gone(); len(jobs) != 0 {
		t.Fatalf("another daemon has the job, and %v are gone", jobs)
	}
	do(t, w, "UPDATE syncd.job SET planned_at = planned_at - interval '16 min' WHERE job = 'asthma'")
	if jobs := gone(); len(jobs) != 1 || jobs[0] != "asthma" {
		t.Fatalf("gone: %v", jobs)
	}
	got := ask[string](t, w, "SELECT string_agg(job || ' ' || state || coalesce(' ' || reason, ''), ', ' ORDER BY job) FROM syncd.slot")
	if got != "asthma skipped no daemon has the job in its jobs.toml any more, copd due" {
		t.Errorf("slots: %s", got)
	}

	do(t, w, "UPDATE syncd.slot SET state = 'running', run_id = 77 WHERE job = 'copd'")
	if _, err := w.Reap(ctx); err != nil {
		t.Fatal(err)
	}
	if due, err := w.Due(ctx, Slot{"copd", "sync", slotTime(1)}); err != nil || !due {
		t.Errorf("a slot whose run is not there is due: %v, %v", due, err)
	}
}
