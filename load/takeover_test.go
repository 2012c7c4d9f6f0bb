package load

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var lungs = extract.Identity{Server: "https://redcap.example.edu/api/", ID: "15"}

// called is an order of a job by a name, its schema the name, from a configuration of some names.
func called(name string, present ...string) Order {
	return Order{Job: name, Kind: "sync", Schema: name, ByName: true, Source: "redcap.main", Holder: "here", Present: append(present, name)}
}

// history makes a job asthma with 60 rows, marks, a memo, a reject, slots and a held run.
func history(t *testing.T, w *Warehouse, p *extract.Table) {
	t.Helper()
	r := begin(t, w, called("asthma"))
	if err := r.Bind(t.Context(), lungs); err != nil {
		t.Fatal(err)
	}
	agree(t, r, p)
	b := many(p, ids(1, 60))
	b.Marks, b.Memo = []extract.Mark{{Name: "records", Value: "then"}}, []byte("memo")
	loadInto(t, r, b)
	do(t, w, `INSERT INTO syncd.reject (job, table_name, key_hash, rule, first_run_id, last_run_id) VALUES ('asthma', 'people', gen_random_uuid(), 'r', 1, 1)`)
	do(t, w, `INSERT INTO syncd.held (run_id, job, schema_name, table_name, key_hash) VALUES ($1, 'asthma', 'asthma', 'people', gen_random_uuid())`, r.ID())
	do(t, w, `INSERT INTO syncd.slot (job, kind, slot_at, state) VALUES ('asthma', 'sync', '2026-11-01', 'succeeded'), ('asthma', 'sync', '2026-11-02', 'due'), ('asthma', 'sync', '2026-11-03', 'due'),
		('lungs', 'sync', '2026-11-03', 'due')`)
	end(t, r, Ending{State: Succeeded, Verdict: Proven})
}

func TestARenamedJobKeepsSchemaMarksAndHistoryAndNoRowIsTouched(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	rows := content(t, w, "asthma", "people", "record_id", "name", "xmin", "ctid")

	r := begin(t, w, called("lungs"))
	if r.Schema() != "lungs" {
		t.Fatalf("before anything is known of its source it writes %s", r.Schema())
	}
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) || extract.KindOf(err) != extract.KindDrift {
		t.Fatalf("bind: %v", err)
	}
	if err := r.Bind(t.Context(), lungs); err != nil || r.Schema() != "asthma" {
		t.Fatalf("bound again: schema %s, %v", r.Schema(), err)
	}
	since, err := r.Since(t.Context(), false)
	if err != nil || since.Marks["records"] != "then" || string(since.Memo) != "memo" {
		t.Fatalf("marks %v, memo %q, %v", since.Marks, since.Memo, err)
	}
	agree(t, r, p)
	wantCounts(t, loadInto(t, r, many(p, ids(1, 60))), Counts{Read: 60, Unchanged: 60})
	end(t, r, Ending{State: Succeeded, Verdict: Proven})

	if got := content(t, w, "asthma", "people", "record_id", "name", "xmin", "ctid"); got != rows {
		t.Error("rows changed")
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', job, schema_name, source_id, renamed_from), '; ') FROM syncd.job"); got != "lungs asthma 15 asthma" {
		t.Errorf("the ledger knows %s", got)
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', job, slot_at::date, state, reason), '; ' ORDER BY slot_at, job) FROM syncd.slot"); got !=
		"lungs 2026-11-01 succeeded; lungs 2026-11-02 skipped the job is called lungs now; asthma 2026-11-03 skipped the job is called lungs now; lungs 2026-11-03 due" {
		t.Errorf("slots: %s", got)
	}
	if got := ask[string](t, w, "SELECT actor || ' ' || action || ' ' || subject || ' ' || (detail ->> 'from') FROM syncd.audit"); got != "syncd rename job lungs asthma" {
		t.Errorf("audit: %s", got)
	}
	d, err := w.RunDetail(t.Context(), r.ID())
	if err != nil || d.Schema != "asthma" || !slices.ContainsFunc(d.Warnings, func(s string) bool { return strings.Contains(s, "as job asthma did") }) {
		t.Errorf("run: %+v, %v", d, err)
	}
	jobs, err := w.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].RejectsOpen != 1 || jobs[0].RenamedFrom != "asthma" {
		t.Errorf("jobs: %+v, %v", jobs, err)
	}

	// From then on it is a job like any other, also where a daemon plans it.
	if err := w.Seen(t.Context(), called("lungs"), "spec", time.Now()); err != nil {
		t.Fatal(err)
	}
	if r = begin(t, w, called("lungs")); r.Schema() != "asthma" {
		t.Errorf("the next run writes %s", r.Schema())
	}
	// Its name of before is free, its schema is not.
	if _, err := w.Begin(t.Context(), called("asthma", "lungs")); extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "written by another job, lungs") {
		t.Errorf("another job of the old name: %v", err)
	}
}

func TestARenameCarriesWhateverNamesAJob(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	r := begin(t, w, called("lungs"))
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) {
		t.Fatal(err)
	}
	rows, err := w.pool.Query(t.Context(), `SELECT table_name FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
		WHERE table_schema = 'syncd' AND column_name = 'job' AND table_type = 'BASE TABLE' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	stay := []string{"claim", "job"} // claims refuse what is left of the old name; the job's own row is another statement
	for _, name := range names {
		switch {
		case slices.Contains(stay, name):
		case !slices.Contains(strings.Fields(jobCarrySQL+jobCarryTotalsSQL), "syncd."+name):
			t.Errorf("syncd.%s names a job, and job_carry.sql does not carry it", name)
		case name != "slot" && ask[int](t, w, "SELECT count(*) FROM syncd."+name+" WHERE job = 'asthma'") > 0:
			t.Errorf("syncd.%s still knows the old name", name)
		}
	}
	if !slices.Contains(names, "slot") {
		t.Errorf("looked at %v", names)
	}
}

func TestARenamedJobWithASchemaOfItsOwn(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	apart := called("lungs")
	apart.Schema, apart.ByName = "breath", false

	r := begin(t, w, apart)
	err := r.Bind(t.Context(), lungs)
	var e *extract.Error
	if extract.KindOf(err) != extract.KindHeld || !errors.As(err, &e) || !strings.Contains(e.Next, `schema = "asthma"`) || !strings.Contains(e.Next, "syncd approve 2") {
		t.Fatalf("another schema: %v, %+v", err, e)
	}
	end(t, r, Ending{State: Held})

	// The first way out: the schema that it had.
	kept := apart
	kept.Schema = "asthma"
	r = begin(t, w, kept)
	end(t, r, Ending{State: Failed}) // its server was down

	// The second: to load it anew.
	r = begin(t, w, apart)
	if err := r.Bind(t.Context(), lungs); extract.KindOf(err) != extract.KindHeld {
		t.Fatal(err)
	}
	end(t, r, Ending{State: Held})
	if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || !a.Source {
		t.Fatal(a, err)
	}
	r = begin(t, w, apart)
	if err := r.Bind(t.Context(), lungs); err != nil || r.Schema() != "breath" {
		t.Fatalf("approved: %s, %v", r.Schema(), err)
	}
	agree(t, r, p)
	b := many(p, ids(1, 3))
	b.Marks = []extract.Mark{{Name: "records", Value: "now"}}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 3, Inserted: 3})
	end(t, r, Ending{State: Succeeded})
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 60 {
		t.Errorf("the old schema holds %d rows", n)
	}

	// The old block is put back beside it: two jobs that read one project into two schemas.
	r = begin(t, w, called("asthma", "lungs"))
	if err := r.Bind(t.Context(), lungs); err != nil || r.Schema() != "asthma" {
		t.Errorf("the old block: %s, %v", r.Schema(), err)
	}
}

func TestWhoWasPurgedDoesNotComeBackByAnotherSchema(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	do(t, w, "INSERT INTO syncd.blocked (schema_name, hash) VALUES ('asthma', sha256('x'))")
	moved := called("asthma")
	moved.Schema, moved.ByName = "breath", false
	if _, err := w.Begin(t.Context(), moved); extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "persons were purged from schema asthma") {
		t.Errorf("the job of another schema: %v", err)
	}
	moved.Job, moved.Present = "lungs", []string{"lungs"}
	r := begin(t, w, moved)
	if err := r.Bind(t.Context(), lungs); extract.KindOf(err) != extract.KindHeld {
		t.Fatal(err)
	}
	end(t, r, Ending{State: Held})
	if _, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil {
		t.Fatal(err)
	}
	r = begin(t, w, moved)
	if err := r.Bind(t.Context(), lungs); extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "persons were purged from schema asthma") {
		t.Errorf("approved: %v", err)
	}
}

func TestASchemaThatIsNamedIsKeptUnderAnotherName(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	named := called("lungs")
	named.Schema, named.ByName = "asthma", false
	r := begin(t, w, named)
	if got := ask[string](t, w, "SELECT string_agg(job, ' ') FROM syncd.job WHERE retired_at IS NOT NULL"); got != "asthma" {
		t.Errorf("retired: %s", got)
	}
	if err := r.Bind(t.Context(), extract.Identity{Server: lungs.Server, ID: "16"}); extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "has read of "+lungs.Server+" 15") {
		t.Fatalf("another project in the schema of a job that vanished: %v", err)
	}
	end(t, r, Ending{State: Failed})

	// Back to the old file: nothing has happened.
	r = begin(t, w, called("asthma"))
	if err := r.Bind(t.Context(), lungs); err != nil {
		t.Fatal(err)
	}
	end(t, r, Ending{State: Succeeded})
	if got := ask[string](t, w, "SELECT string_agg(job, ' ') FROM syncd.job WHERE retired_at IS NOT NULL"); got != "lungs" {
		t.Errorf("retired: %s", got)
	}

	r = begin(t, w, named)
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) {
		t.Fatal(err)
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', job, schema_name, retired_at), '; ') FROM syncd.job"); got != "lungs asthma" {
		t.Errorf("the ledger knows %s", got)
	}
}

func TestAJobThatIsStillThereOrStillAtWorkIsNotTakenOver(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	beside := begin(t, w, called("lungs", "asthma"))
	if err := beside.Bind(t.Context(), lungs); err != nil || beside.Schema() != "lungs" {
		t.Fatalf("a second block for the project: %s, %v", beside.Schema(), err)
	}
	end(t, beside, Ending{State: Succeeded})

	working := begin(t, w, called("asthma", "lungs"))
	r := begin(t, w, called("breath", "lungs"))
	err := r.Bind(t.Context(), lungs)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.RunID != working.ID() || extract.KindOf(err) != extract.KindTransient {
		t.Fatalf("while it is at work: %v", err)
	}
	end(t, r, Ending{State: Failed})
	end(t, working, Ending{State: Succeeded})
	r = begin(t, w, called("breath", "lungs"))
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) || r.Schema() != "asthma" {
		t.Errorf("afterwards: %s, %v", r.Schema(), err)
	}
}

func TestAZombieOfTheOldNameWritesNothing(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	zombie := begin(t, w, called("asthma"))
	agree(t, zombie, p)
	do(t, w, "UPDATE syncd.claim SET beat_at = clock_timestamp() - interval '1 hour'")
	r := begin(t, w, called("lungs"))
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) {
		t.Fatal(err)
	}
	if _, err := zombie.Load(t.Context(), many(p, ids(1, 1))); !errors.As(err, new(*StaleError)) {
		t.Errorf("the zombie: %v", err)
	}
	if got := ask[string](t, w, "SELECT state FROM syncd.run WHERE run_id = $1", zombie.ID()); got != "lost" {
		t.Errorf("its run is %s", got)
	}
}

func TestARenameWhoseCommitIsNotAnsweredIsFoundDone(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	wire := &deafWire{}
	deaf := warehouseAt(t, Config{URL: w.own.URL, DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &deafConn{Conn: conn, wire: wire}, err
	}})
	r := begin(t, deaf, called("lungs"))
	wire.armed.Store(true)
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) || r.Schema() != "asthma" {
		t.Fatalf("bind: %s, %v", r.Schema(), err)
	}
	if !wire.deaf.Load() {
		t.Fatal("no reply was dropped")
	}
}

func TestJobsThatNobodyHasAreRetiredAndComeBack(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	retire := func(present ...string) []string {
		t.Helper()
		names, err := w.Retire(t.Context(), present)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if got := retire("copd"); len(got) > 0 {
		t.Errorf("one that was there a moment ago: %v", got)
	}
	do(t, w, "UPDATE syncd.job SET seen_at = clock_timestamp() - interval '3 minutes'")
	if got := retire("asthma"); len(got) > 0 {
		t.Errorf("one that is there: %v", got)
	}
	if got := retire("copd"); !cmp.Equal(got, []string{"asthma"}) {
		t.Errorf("one that vanished: %v", got)
	}
	if got := retire("copd"); len(got) > 0 {
		t.Errorf("once more: %v", got)
	}
	if err := w.Seen(t.Context(), called("asthma"), "spec", time.Now()); err != nil {
		t.Fatal(err)
	}
	jobs, err := w.Jobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].RetiredAt != nil {
		t.Errorf("back: %+v, %v", jobs, err)
	}
}

func TestAForgottenJobLeavesNothingThatANewOneWouldGoOnFrom(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	r := begin(t, w, called("asthma"))
	if _, err := w.Forget(t.Context(), "asthma", "ada@here"); !errors.As(err, new(*BusyError)) {
		t.Fatalf("while it is at work: %v", err)
	}
	end(t, r, Ending{State: Succeeded})
	schemas, err := w.Forget(t.Context(), "asthma", "ada@here")
	if err != nil || !cmp.Equal(schemas, []string{"asthma"}) {
		t.Fatalf("schemas %v, %v", schemas, err)
	}
	if _, err := w.Forget(t.Context(), "asthma", "ada@here"); extract.KindOf(err) != extract.KindConfig {
		t.Errorf("once more: %v", err)
	}
	if got := ask[string](t, w, `SELECT concat_ws(' ', (SELECT count(*) FROM syncd.mark), (SELECT count(*) FROM syncd.memo), (SELECT count(*) FROM syncd.reject), (SELECT count(*) FROM syncd.table_def),
		(SELECT count(*) FROM syncd.run), (SELECT count(*) FROM asthma.people), (SELECT string_agg(actor || ' ' || action, ',') FROM syncd.audit))`); got != "0 0 0 0 2 60 ada@here forget" {
		t.Errorf("left: %s", got)
	}
	do(t, w, "DROP SCHEMA asthma CASCADE")
	r = begin(t, w, called("asthma"))
	if err := r.Bind(t.Context(), extract.Identity{Server: lungs.Server, ID: "16"}); err != nil {
		t.Fatal(err)
	}
	since, err := r.Since(t.Context(), false)
	if err != nil || len(since.Marks) != 0 || since.Memo != nil {
		t.Errorf("a new job of the name starts from %v, %q, %v", since.Marks, since.Memo, err)
	}
	agree(t, r, p)
	wantCounts(t, loadInto(t, r, many(p, ids(1, 3))), Counts{Read: 3, Inserted: 3})
}

func TestAReceiverIsNotRenamed(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	drain := Order{Job: "hospital", Kind: "drain", Schema: "hospital", Source: "redox.hospital", Holder: "here"}
	end(t, begin(t, w, drain), Ending{State: Succeeded})
	drain.Job, drain.Source = "clinic", "redox.clinic"
	_, err := w.Begin(t.Context(), drain)
	var e *extract.Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "written by another job, hospital") || !strings.Contains(e.Next, "under that name only") {
		t.Errorf("under another name: %v, %+v", err, e)
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', job, retired_at), ', ') FROM syncd.job"); got != "hospital" {
		t.Errorf("the ledger knows %s", got)
	}
}

func TestARehearsalLooksAtTheTablesThatARenamedJobKeeps(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	history(t, w, p)
	o, err := w.AsKnown(t.Context(), called("lungs"), lungs)
	if err != nil || o.Job != "asthma" || o.Schema != "asthma" {
		t.Errorf("before its first run: %+v, %v", o, err)
	}
	r := begin(t, w, called("lungs"))
	if err := r.Bind(t.Context(), lungs); !errors.Is(err, ErrRenamed) {
		t.Fatal(err)
	}
	o, err = w.AsKnown(t.Context(), called("lungs"), lungs)
	if err != nil || o.Job != "lungs" || o.Schema != "asthma" {
		t.Errorf("after it: %+v, %v", o, err)
	}
}
