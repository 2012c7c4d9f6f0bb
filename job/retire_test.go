package job

import (
	"log/slog"
	"slices"
	"testing"
	"time"
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
