package job

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"syncd/load"
)

func TestAJobThatNoReplicaHasAnyMoreIsRetiredAndComesBack(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	one := Planned{Name: "asthma", Source: "redcap.main", Schema: "asthma", ByName: true}
	two := Planned{Name: "copd", Source: "redcap.main", Schema: "copd", ByName: true}
	engine := func(jobs ...Planned) *Engine {
		return NewEngine(Config{Warehouse: w, Jobs: jobs, Holder: "here", Log: slog.New(slog.DiscardHandler)})
	}
	retired := func() (names []string) {
		t.Helper()
		jobs, err := w.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.RetiredAt != nil {
				names = append(names, j.Job)
			}
		}
		return names
	}
	plan := func(e *Engine) {
		t.Helper()
		if _, err := e.plan(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	plan(engine(one, two))
	if got := engine(one, two).order(two, Sync); !slices.Equal(got.Present, []string{"asthma", "copd"}) || !got.ByName {
		t.Errorf("its runs are ordered with %+v", got)
	}
	after := engine(one)
	plan(after) // the other replica may have it still
	if got := retired(); len(got) > 0 {
		t.Fatalf("retired at once: %v", got)
	}
	if _, err := w.Pool().Exec(t.Context(), "UPDATE syncd.job SET seen_at = seen_at - interval '3 min', planned_at = planned_at - interval '3 min' WHERE job = 'copd'"); err != nil {
		t.Fatal(err)
	}
	plan(after) // looked for once a minute
	if got := retired(); len(got) > 0 {
		t.Fatalf("looked for again within a moment: %v", got)
	}
	after.retired = after.retired.Add(-time.Minute)
	plan(after)
	if got := retired(); !slices.Equal(got, []string{"copd"}) {
		t.Fatalf("retired: %v", got)
	}
	plan(engine(one, two))
	if got := retired(); len(got) > 0 {
		t.Errorf("its block is back: %v", got)
	}
}

func TestADaemonGoesOnWithAJobUnderItsNewName(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "asthma", "copd")
	renamed := d.jobs["asthma"]
	delete(d.jobs, "copd")
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	first := receive(t, d.done)
	if first.err != nil || first.rep.Inserted == 0 {
		t.Fatalf("%+v, %v", first.rep, first.err)
	}
	renamed.Name, renamed.Schema, renamed.ByName = "wheeze", "wheeze", true
	r.Replace([]Planned{renamed}, nil)
	d.jobs = map[string]Planned{"wheeze": renamed}
	d.known(t)
	for range 2 {
		d.clock.add(time.Minute)
		r.poke()
		o := receive(t, d.done)
		if o.err != nil || o.rep.Job != "wheeze" || o.rep.Schema != "asthma" || o.rep.Verdict != load.Proven || o.rep.Inserted+o.rep.Updated+o.rep.Deleted > 0 || o.rep.Unchanged != first.rep.Inserted {
			t.Errorf("after it: %+v, %v", o.rep, o.err)
		}
	}
	r.end(t)
	if got := ask[string](t, d.w.Pool(), "SELECT string_agg(DISTINCT job || ' ' || schema_name, ', ') FROM syncd.run"); got != "wheeze asthma" {
		t.Errorf("runs: %s", got)
	}
	if got := ask[string](t, d.w.Pool(), "SELECT string_agg(DISTINCT state, ', ') FROM syncd.slot"); got != "succeeded" {
		t.Errorf("slots: %s", got)
	}
}
