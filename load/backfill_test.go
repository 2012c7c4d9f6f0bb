package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

// planFour makes a backfill of ten ids in chunks of four.
func planFour(t *testing.T, w *Warehouse) *Backfill {
	t.Helper()
	b, made, err := w.MakeBackfill(t.Context(), NewBackfill{Job: "asthma", Size: 4, Parallel: 1, By: "ann@etl"})
	if err != nil || !made || !b.First || b.State != BackfillPlanned {
		t.Fatalf("%+v, made %v, %v", b, made, err)
	}
	if n := nextOf(t, w, b.ID); n.Do != DoDescribe {
		t.Fatalf("at first there is %d to do", n.Do)
	}
	ids := new(extract.KeySet)
	for i := range 10 {
		ids.Add(fmt.Sprintf("r%02d", i))
	}
	ids.Sort()
	c := extract.Collected{IDs: ids, Least: []int32{1, 1, 3, 1, 1, 1, 1, 1, 1, 2}, Kept: extract.Kept{Marks: []extract.Mark{{Name: "server_time", Value: "then"}}, Memo: []byte("memo")}}
	for range 2 { // the second time only the structure is renewed
		if err := w.PlanBackfill(t.Context(), b.ID, c, 4); err != nil {
			t.Fatal(err)
		}
	}
	return nextOf(t, w, b.ID).Backfill
}

func nextOf(t *testing.T, w *Warehouse, id int64) *NextStep {
	t.Helper()
	n, err := w.Next(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func chunk(id int64, no int) Order {
	o := order()
	o.Kind, o.Chunk, o.AsIs = KindBackfill, chunkName(id, no), true
	return o
}

func TestABackfillMakesAJobFreshWhenItHasBroughtEverything(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	fresh := func(want bool) {
		t.Helper()
		jobs, err := w.Jobs(t.Context())
		if err != nil || len(jobs) != 1 || (jobs[0].FreshAt != nil) != want {
			t.Errorf("fresh in status: want %t, %+v, %v", want, jobs, err)
		}
		s, err := w.Standing(t.Context())
		if err != nil || len(s.Jobs) != 1 || (s.Jobs[0].FreshAt != nil) != want {
			t.Errorf("fresh in notices: want %t, %+v, %v", want, s.Jobs, err)
		}
	}
	fill := func(from time.Time) {
		t.Helper()
		o := order()
		o.Kind = KindBackfill
		b, _, err := w.MakeBackfill(t.Context(), NewBackfill{Job: o.Job, From: from, Size: 1, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		end(t, begin(t, w, o), Ending{State: Succeeded, Verdict: Proven})
		if err := w.EndBackfill(t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
	}
	fill(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	fresh(false)
	fill(time.Time{})
	fresh(true)
}

func TestChunksExcludeEachOtherAndTheWholeAndComeBackFromTheDead(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	b := planFour(t, w)
	if b.Chunks != 3 || b.Records != 10 || b.State != BackfillRunning {
		t.Fatalf("planned: %+v", b)
	}
	n := nextOf(t, w, b.ID)
	if n.Do != DoChunk || strings.Join(n.Chunk.IDs, " ") != "r00 r01 r02 r03" || fmt.Sprint(n.Chunk.Least) != "[1 1 3 1]" || string(n.Chunk.Memo) != "memo" {
		t.Fatalf("first chunk: %+v", n.Chunk)
	}
	one, two := begin(t, w, chunk(b.ID, 1)), begin(t, w, chunk(b.ID, 2))
	var busy *BusyError
	if _, err := w.Begin(t.Context(), chunk(b.ID, 1)); !errors.As(err, &busy) {
		t.Errorf("a chunk was given twice: %v", err)
	}
	whole := order()
	whole.Kind = KindBackfill
	if _, err := w.Begin(t.Context(), whole); !errors.As(err, &busy) || busy.Chunk == "" {
		t.Errorf("the whole began beside chunks: %v", err)
	}
	end(t, two, Ending{State: Succeeded, Verdict: Proven, Requests: 3})
	if _, err := w.Begin(t.Context(), chunk(b.ID, 2)); !errors.As(err, new(*ChunkError)) {
		t.Errorf("a chunk that is done began again: %v", err)
	}
	silence(t, w)
	if lost, err := w.Reap(t.Context()); err != nil || len(lost) != 1 || lost[0].RunID != one.id {
		t.Fatalf("lost %+v, %v", lost, err)
	}
	heir := begin(t, w, chunk(b.ID, 1))
	if err := one.End(t.Context(), Ending{State: Succeeded}); !errors.As(err, new(*StaleError)) {
		t.Errorf("a zombie ended its chunk: %v", err)
	}
	end(t, heir, Ending{State: Cancelled})
	if n := nextOf(t, w, b.ID); n.Do != DoChunk || n.Chunk.No != 1 || n.Chunk.Attempts != 2 || n.Done != 1 || n.Requests != 3 {
		t.Errorf("a chunk that was stopped: %+v, %+v", n.Chunk, n.Backfill)
	}
	last := begin(t, w, chunk(b.ID, 1))
	if moved, err := w.CancelBackfill(t.Context(), b.ID, "ann@etl", "enough"); err != nil || !moved {
		t.Fatal(moved, err)
	}
	if _, err := w.Begin(t.Context(), chunk(b.ID, 3)); !errors.As(err, new(*ChunkError)) {
		t.Errorf("a chunk of a cancelled backfill began: %v", err)
	}
	end(t, last, Ending{State: Cancelled})
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.backfill_chunk WHERE ids IS NOT NULL"); n != 0 {
		t.Errorf("%d chunks kept their ids", n)
	}
	if err := two.Beat(t.Context()); !errors.As(err, new(*StaleError)) {
		t.Errorf("the beat of a run whose claim is not there any more: %v", err)
	}
}

func TestWholeRunsAreRefusedWhileABackfillMakesTheFirstLoad(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	b := planFour(t, w)
	var loading *LoadingError
	_, err := w.Begin(t.Context(), order())
	if !errors.As(err, &loading) || loading.Backfill != b.ID || extract.KindOf(err) != extract.KindHeld {
		t.Fatalf("a sync beside a first load: %v", err)
	}
	other, made, err := w.MakeBackfill(t.Context(), NewBackfill{Job: "asthma", Size: 9, Parallel: 1, By: "ann@etl"})
	if err != nil || made || other.ID != b.ID {
		t.Fatalf("a second backfill: %+v, %v, %v", other, made, err)
	}
	for no := range 3 {
		end(t, begin(t, w, chunk(b.ID, no+1)), Ending{State: Succeeded, Verdict: Proven})
	}
	n := nextOf(t, w, b.ID)
	if n.Do != DoFinish || !n.Finish.Needed || n.Finish.Kept == nil || n.Finish.Kept.Marks[0].Value != "then" || string(n.Finish.Kept.Memo) != "memo" {
		t.Fatalf("at last: %+v", n.Finish)
	}
	do(t, w, "INSERT INTO syncd.mark (job, name, value, run_id) VALUES ('asthma', 'server_time', 'later', 1)")
	if n := nextOf(t, w, b.ID); n.Finish.Kept != nil {
		t.Errorf("a job that has come further by itself is set back: %+v", n.Finish.Kept)
	}
	if err := w.EndBackfill(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.claim WHERE chunk <> ''"); n != 0 {
		t.Errorf("%d claims of chunks are left", n)
	}
	begin(t, w, order())
}

func TestChunkWhoseJobOfTheQueueDiedIsGivenOutAgain(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	b := planFour(t, w)
	handed := func() int {
		t.Helper()
		all, err := w.Handouts(t.Context(), 2, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if n := handed(); n != 0 {
		t.Fatalf("%d chunks of a backfill that is not the daemons' were given out", n)
	}
	yes := true
	if _, err := w.ResumeBackfill(t.Context(), b.ID, "ann@etl", &yes); err != nil {
		t.Fatal(err)
	}
	if n := handed(); n != 2 {
		t.Fatalf("%d chunks were given out", n)
	}
	insert := "INSERT INTO syncd.river_job (kind, args, state, max_attempts, priority, queue, attempt, attempted_at, finalized_at) VALUES ('chunk', jsonb_build_object('backfill', $1::bigint, 'no', 1, 'after', 0), $2::text::syncd.river_job_state, 1, 4, 'chunk', 1, now() - $3::interval, NULL)"
	do(t, w, insert, b.ID, "running", 5*time.Second)
	if n := handed(); n != 1 {
		t.Errorf("beside one that a worker has just taken: %d", n)
	}
	do(t, w, "UPDATE syncd.river_job SET attempted_at = now() - interval '31 s'")
	if n := handed(); n != 2 {
		t.Errorf("when that one has died: %d", n)
	}
}
