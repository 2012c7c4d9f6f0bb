package job

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	"syncd/load"
)

func TestRunIsProvenAndLeavesTheNextOneNothingToDo(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(10)
	var events []Event
	rep, err := runner(w).Run(t.Context(), order(), c.open, Options{Progress: func(e Event) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	if rep.State != load.Succeeded || rep.Verdict != load.Proven || rep.Inserted != 25 || rep.Requests != 2 || rep.Title != "Clinic" {
		t.Fatalf("first run: %+v", rep)
	}
	if rep.Drift != 0 || len(rep.Tables) != 2 || *rep.Tables[0].Live != 10 || *rep.Tables[1].Live != 15 {
		t.Fatalf("first run: drift %d, tables %+v", rep.Drift, rep.Tables)
	}
	if events[0].Phase != Describing || events[len(events)-1].Phase != Ended || events[len(events)-1].Rows != 25 {
		t.Errorf("progress: %+v", events)
	}
	rep, err = runner(w).Run(t.Context(), order(), c.open, Options{})
	if err != nil || rep.Verdict != load.Proven || rep.Inserted+rep.Updated+rep.Deleted != 0 || rep.Unchanged != 25 {
		t.Fatalf("second run: %+v, %v", rep, err)
	}
	delete(c.visits, "p03")
	c.visits["p04"]++
	rep, err = runner(w).Run(t.Context(), order(), c.open, Options{})
	if err != nil || rep.Verdict != load.Proven || rep.Deleted != 3 || rep.Inserted != 1 {
		t.Fatalf("third run: %+v, %v", rep, err)
	}
	if code := ExitCode(rep, err, true); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestVerdictShowsEveryWayInWhichTheWarehouseCanBeWrong(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	pool := w.Pool()
	if _, err := runner(w).Run(t.Context(), order(), newClinic(6).open, Options{}); err != nil {
		t.Fatal(err)
	}
	behind := func(statement string) func(context.Context, *extract.Proof) error {
		return func(ctx context.Context, _ *extract.Proof) error {
			_, err := pool.Exec(ctx, statement)
			return err
		}
	}
	for _, c := range []struct {
		name   string
		after  func(context.Context, *extract.Proof) error
		want   load.Verdict
		reason string // a part of it
	}{
		{"nothing is wrong", nil, load.Proven, ""},
		{"a record vanished from the warehouse", behind("DELETE FROM clinic.person WHERE record_id = 'p01'"), load.Mismatch, "ids: 1 listed at the source are not in person"},
		{"a record came into the warehouse", behind("INSERT INTO clinic.person SELECT 'p99', name, _run_id, _fingerprint, _inserted_at, _changed_at FROM clinic.person LIMIT 1"), load.Mismatch, "ids: 1 in person are not at the source"},
		{"a row vanished", behind("DELETE FROM clinic.visit WHERE (record_id, instance) = ('p01', 2)"), load.Mismatch, "cells: clinic.visit holds 8 rows where 9 were read"},
		{"a row came", behind("INSERT INTO clinic.visit SELECT record_id, 7, weight, _run_id, _fingerprint, _inserted_at, _changed_at FROM clinic.visit LIMIT 1"), load.Mismatch, "cells: clinic.visit holds 10 rows where 9 were read"},
		{"a refused record is live", func(_ context.Context, p *extract.Proof) error {
			p.Excluded, p.Refused = set([]string{"p02"}), map[string]int{"filtered": 1}
			return nil
		}, load.Mismatch, "ids: 1 that are to be kept out are in person"},
		{"a record was deleted while the run was at work", func(_ context.Context, p *extract.Proof) error {
			p.After = set([]string{"p00", "p01", "p02", "p03", "p04"})
			return nil
		}, load.Proven, ""},
		{"a record was created while the run was at work", func(_ context.Context, p *extract.Proof) error {
			p.After.Add("p77")
			return nil
		}, load.Proven, ""},
		{"ids cannot be listed", func(_ context.Context, p *extract.Proof) error {
			p.Table = nil
			return nil
		}, load.Unproven, "ids: the source did not list its ids"},
		{"the source has a doubt", func(_ context.Context, p *extract.Proof) error {
			p.Unproven = "two reports were left out"
			return nil
		}, load.Unproven, "two reports were left out"},
		{"the source has a doubt and a row vanished", func(ctx context.Context, p *extract.Proof) error {
			p.Unproven = "two reports were left out"
			_, err := pool.Exec(ctx, "DELETE FROM clinic.visit WHERE (record_id, instance) = ('p01', 2)")
			return err
		}, load.Mismatch, "cells: clinic.visit holds 8 rows where 9 were read"},
	} {
		src := newClinic(6)
		src.after = c.after
		rep, err := runner(w).Run(t.Context(), order(), src.open, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if rep.Verdict != c.want || !strings.Contains(rep.Reason, c.reason) {
			t.Errorf("%s: %s, %q", c.name, rep.Verdict, rep.Reason)
		}
		state, code := load.Succeeded, 0
		if c.want == load.Mismatch {
			state, code = load.Failed, 1
		}
		if rep.State != state || ExitCode(rep, err, false) != code {
			t.Errorf("%s: %s, exit code %d", c.name, rep.State, ExitCode(rep, err, false))
		}
		if c.want == load.Unproven && ExitCode(rep, err, true) != 1 {
			t.Errorf("%s: strict exits with 0", c.name)
		}
		for _, id := range []string{"p01", "p02", "p99"} {
			if strings.Contains(rep.Reason, id) {
				t.Errorf("%s: the reason names a record: %q", c.name, rep.Reason)
			}
		}
		if _, err := runner(w).Run(t.Context(), order(), newClinic(6).open, Options{}); err != nil { // repairs it
			t.Fatal(err)
		}
	}
}

func TestFirstStopEndsTheRunAfterItsBatch(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(9)
	stop := make(chan struct{})
	c.before = func(_ context.Context, batch int) error {
		if batch == 1 {
			close(stop)
		}
		return nil
	}
	rep, err := runner(w).Run(t.Context(), order(), c.open, Options{Stop: stop})
	if !errors.Is(err, ErrStopped) || rep.State != load.Cancelled || rep.Batches != 2 || ExitCode(rep, err, false) != 130 {
		t.Fatalf("stopped: %+v, %v", rep, err)
	}
	if n := ask[int](t, w.Pool(), "SELECT count(*) FROM clinic.person"); n != 6 {
		t.Fatalf("%d people loaded", n)
	}
	c.before = nil
	if rep, err = runner(w).Run(t.Context(), order(), c.open, Options{}); err != nil || rep.Verdict != load.Proven || rep.Unchanged != 15 {
		t.Fatalf("next run: %+v, %v", rep, err)
	}
}

func TestSecondStopCutsTheRunAndKeepsTheCause(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(9)
	ctx, cut := context.WithCancelCause(t.Context())
	c.before = func(ctx context.Context, batch int) error {
		if batch == 1 {
			cut(errors.New("second signal"))
			<-ctx.Done()
			return extract.Errorf(extract.KindTransient, "export records", "%w", ctx.Err())
		}
		return nil
	}
	rep, err := runner(w).Run(ctx, order(), c.open, Options{})
	if err == nil || rep.State != load.Cancelled || rep.Reason != "cut: second signal" || ExitCode(rep, err, false) != 130 {
		t.Fatalf("cut: %+v, %v", rep, err)
	}
	if held := ask[bool](t, w.Pool(), "SELECT bool_or(holder IS NOT NULL) FROM syncd.claim"); held {
		t.Error("the claim is still held")
	}
}

func TestRunThatDiedBetweenTwoBatchesIsTakenOver(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(9)
	dead, err := w.Begin(t.Context(), withHolder(order(), "dead"))
	if err != nil {
		t.Fatal(err)
	}
	src, _ := c.open(t.Context())
	s, err := src.Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Agree(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Load(t.Context(), src.(*pull).rows([]string{"p00", "p01"})); err != nil {
		t.Fatal(err)
	}
	_, err = runner(w).Run(t.Context(), order(), c.open, Options{})
	if !errors.As(err, new(*load.BusyError)) || ExitCode(Report{}, err, false) != 4 {
		t.Fatalf("two runs at once: %v", err)
	}
	do(t, w.Pool(), "UPDATE syncd.claim SET beat_at = beat_at - interval '41 s'")
	rep, err := runner(w).Run(t.Context(), order(), c.open, Options{})
	if err != nil || rep.Verdict != load.Proven || rep.Unchanged != 5 {
		t.Fatalf("heir: %+v, %v", rep, err)
	}
	if _, err := dead.Load(t.Context(), src.(*pull).rows([]string{"p00"})); !errors.As(err, new(*load.StaleError)) {
		t.Fatalf("the zombie loaded a batch: %v", err)
	}
	if state := ask[string](t, w.Pool(), "SELECT state FROM syncd.run WHERE run_id = $1", dead.ID()); state != "lost" {
		t.Errorf("the dead run is %s", state)
	}
}

func TestRunWhoseClaimWasTakenIsCut(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(9)
	c.before = func(ctx context.Context, batch int) error {
		if batch != 1 {
			return nil
		}
		do(t, w.Pool(), "UPDATE syncd.claim SET beat_at = beat_at - interval '1 h'")
		for ctx.Err() == nil { // its own beat may come between
			if _, err := w.Begin(t.Context(), withHolder(order(), "heir")); err == nil {
				<-ctx.Done()
			}
			do(t, w.Pool(), "UPDATE syncd.claim SET beat_at = beat_at - interval '1 h' WHERE holder = 'test'")
		}
		return ctx.Err()
	}
	r := runner(w)
	r.BeatEvery = 20 * time.Millisecond
	rep, err := r.Run(t.Context(), order(), c.open, Options{})
	if !errors.As(err, new(*load.StaleError)) || rep.State != load.LostState {
		t.Fatalf("robbed: %+v, %v", rep, err)
	}
}

func TestDriftUnderThePullStartsOnceMoreAndNotForEver(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	for _, always := range []bool{false, true} {
		c := newClinic(4)
		c.before = func(context.Context, int) error {
			if c.pulls == 1 || always {
				return extract.Errorf(extract.KindDrift, "export records", "the dictionary changed")
			}
			return nil
		}
		rep, err := runner(w).Run(t.Context(), order(), c.open, Options{})
		if c.pulls != 2 {
			t.Fatalf("%d pulls", c.pulls)
		}
		if always && (rep.State != load.Failed || rep.ErrorKind != "drift") || !always && (err != nil || rep.Verdict != load.Proven) {
			t.Fatalf("always %v: %+v, %v", always, rep, err)
		}
	}
}

func TestErrorsEndTheRunAsTheirKindSays(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	if _, err := runner(w).Run(t.Context(), order(), newClinic(4).open, Options{}); err != nil {
		t.Fatal(err)
	}
	other := newClinic(9)
	other.id = "2"
	panics := newClinic(4)
	panics.before = func(context.Context, int) error { panic("canary-4711") }
	fails := func(kind extract.Kind) Open {
		return func(context.Context) (extract.Source, error) {
			return nil, &extract.Error{Kind: kind, What: "read token", Cause: errors.New("no"), Next: "look"}
		}
	}
	for _, c := range []struct {
		name  string
		open  Open
		state load.State
		kind  string
		code  int
	}{
		{"another project answers", other.open, load.Held, "held", 4},
		{"a source panics", panics.open, load.Failed, "internal", 1},
		{"a secret is missing", fails(extract.KindConfig), load.Failed, "config", 2},
		{"the token is refused", fails(extract.KindAuth), load.Failed, "auth", 1},
		{"the brake", fails(extract.KindHeld), load.Held, "held", 4},
	} {
		rep, err := runner(w).Run(t.Context(), order(), c.open, Options{})
		if err == nil || rep.State != c.state || rep.ErrorKind != c.kind || ExitCode(rep, err, false) != c.code {
			t.Errorf("%s: %s %s, exit code %d, %v", c.name, rep.State, rep.ErrorKind, ExitCode(rep, err, false), err)
		}
		if strings.Contains(rep.Error, "canary") {
			t.Errorf("%s: what was panicked with is told", c.name)
		}
	}
	if n := ask[int](t, w.Pool(), "SELECT count(*) FROM clinic.person"); n != 4 {
		t.Errorf("%d people are left", n)
	}
}

func TestDryRunTellsWhatARunThenDoesAndWritesNothing(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	c := newClinic(5)
	rehearse := func() *DryRun {
		t.Helper()
		rep, err := runner(w).Run(t.Context(), order(), c.open, Options{DryRun: true})
		if err != nil || rep.DryRun == nil || ExitCode(rep, err, true) != 0 {
			t.Fatalf("%+v, %v", rep, err)
		}
		return rep.DryRun
	}
	total := func(d *DryRun) (sum load.Counts) {
		for _, t := range d.Tables {
			sum.Add(t.Counts)
		}
		return sum
	}
	dry := rehearse()
	if len(dry.Statements) == 0 || dry.New != 5 || dry.Tables[0].Live != nil || total(dry).Inserted != 12 {
		t.Fatalf("of nothing: %+v", dry)
	}
	if n := ask[int](t, w.Pool(), "SELECT (SELECT count(*) FROM syncd.run) + (SELECT count(*) FROM syncd.job) + (SELECT count(*) FROM syncd.claim) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'clinic')"); n != 0 {
		t.Fatalf("%d things were written", n)
	}
	if _, err := runner(w).Run(t.Context(), order(), c.open, Options{}); err != nil {
		t.Fatal(err)
	}
	if sum := total(rehearse()); sum.Unchanged != 12 || sum.Inserted+sum.Updated+sum.Deleted != 0 {
		t.Fatalf("of what is there: %+v", sum)
	}
	delete(c.visits, "p00")
	c.visits["p10"] = 1
	c.name = "new name of "
	dry = rehearse()
	if len(dry.Statements) != 0 || dry.New != 1 || dry.Gone != 1 || *dry.Tables[0].Live != 5 {
		t.Fatalf("of changes: %+v", dry)
	}
	before := ask[string](t, w.Pool(), "SELECT string_agg(p::text, ';' ORDER BY record_id) FROM clinic.person AS p")
	rehearsed := total(rehearse())
	if after := ask[string](t, w.Pool(), "SELECT string_agg(p::text, ';' ORDER BY record_id) FROM clinic.person AS p"); after != before {
		t.Fatal("a rehearsal changed rows")
	}
	rep, err := runner(w).Run(t.Context(), order(), c.open, Options{})
	if err != nil || rep.Inserted != rehearsed.Inserted || rep.Updated != rehearsed.Updated || rep.Deleted != rehearsed.Deleted || rep.Unchanged != rehearsed.Unchanged {
		t.Fatalf("rehearsed %+v, done %+v, %v", rehearsed, rep.RunRow, err)
	}
	if rep.Updated != 4 || rep.Deleted != 2 || rep.Inserted != 2 {
		t.Fatalf("done %+v", rep.RunRow)
	}
}

func withHolder(o load.Order, holder string) load.Order {
	o.Holder = holder
	return o
}

func readAs(t *extract.Table, ids []string) *reread {
	return &reread{ids: map[*extract.Table]*extract.KeySet{t: set(ids)}}
}

func TestARunByChangesIsProvenByWhatItReadAgain(t *testing.T) {
	t.Parallel()
	people := &extract.Table{Name: "people"}
	for name, c := range map[string]struct {
		named, read, after []string
		missed             int64
		holds              bool
	}{
		"all were read":                {[]string{"1", "2"}, []string{"1", "2", "3"}, []string{"1", "2", "3"}, 0, true},
		"one is gone":                  {[]string{"1", "9"}, []string{"1"}, []string{"1"}, 0, true},
		"one was not read":             {[]string{"1", "2"}, []string{"1"}, []string{"1", "2"}, 1, false},
		"nothing was said and nothing": {nil, nil, []string{"1"}, 0, true},
	} {
		p := &extract.Proof{Named: set(c.named), After: set(c.after)}
		got := proveChanges(p, readAs(people, c.read))
		if got.Holds != c.holds || got.Counts["missed"] != c.missed || got.Broken == c.holds {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := proveChanges(&extract.Proof{}, readAs(people, nil)); got.Holds || got.Broken {
		t.Errorf("a source that does not say what changed: %+v", got)
	}
}

// A table that a batch brings rows of and does not claim to know as a whole may hold more than was read, also where none came.
func TestATableThatIsNotKnownAsAWholeIsNoMismatch(t *testing.T) {
	t.Parallel()
	seen, part := &extract.Table{Name: "seen"}, &extract.Table{Name: "part"}
	b := &extract.Batch{
		Rows:  []*extract.Rows{extract.NewRows(seen), extract.NewRows(part)},
		Scope: &extract.Scope{Tables: []*extract.Table{seen}, Width: 1, Keys: [][]string{{"1"}}},
	}
	read := tally{}
	read.add(b, &load.Result{Tables: []load.TableResult{{Table: "seen"}, {Table: "part"}}})
	if least, _, doubt := read[tableName{"", "part"}].expected(); least != -1 || doubt != "" {
		t.Errorf("expected at least %d rows (%q) of a table that was out of scope", least, doubt)
	}
	if least, most, _ := read[tableName{"", "seen"}].expected(); least != 0 || most != 0 {
		t.Errorf("expected %d to %d rows of a table in scope", least, most)
	}
}
