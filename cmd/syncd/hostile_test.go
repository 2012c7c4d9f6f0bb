package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redcap"
)

// outcome is what the ledger says of a run, beside the exit code.
type outcome struct {
	Exit        int
	State, Kind string
}

// The usual ends of a run.
func done() outcome                { return outcome{exitDone, "succeeded", ""} }
func failedAs(kind string) outcome { return outcome{exitFailed, "failed", kind} }
func held() outcome                { return outcome{exitRefused, "held", "held"} }
func doneWithRejects() outcome     { return outcome{exitRejects, "succeeded", ""} }

// hostileCase is one way in which a source answers badly, or holds something odd.
type hostileCase struct {
	row, name string // of RELIABILITY 2.3
	kind      fake.SpecKind
	options   fake.Options
	job       string                             // further keys of the job
	arrange   func(t *testing.T, sc *scene)      // makes the source hostile
	full      outcome                            // on a warehouse that was loaded before
	empty     outcome                            // on an empty one
	fullOnly  bool                               // on an empty warehouse it would say nothing more
	changed   bool                               // the source itself is another than the loaded one: rows may change and come
	gone      []string                           // records that are gone at the source
	blank     func(column string) bool           // columns that rightly turn NULL
	refused   int                                // listed records that cannot be stored; -1: the source does not show all
	rejects   map[string]int                     // rule -> open rejects
	check     func(t *testing.T, holds contents) // of what is stored when the run succeeded
	says      string                             // stands in what the program printed
	called    [2]string                          // an instrument that has another name now: its table and status follow
}

// calling says that an instrument got another name.
func (c hostileCase) calling(old, now string) hostileCase {
	c.called = [2]string{old, now}
	return c
}

// follow gives what is held the names that it has after the case.
func (c hostileCase) follow(held contents) contents {
	old, now := c.called[0], c.called[1]
	if old == "" {
		return held
	}
	out := contents{}
	for table, rows := range held {
		name := strings.TrimSuffix(table, "."+old)
		if name == table {
			out[table] = rows
			continue
		}
		moved := map[string]map[string]any{}
		for key, row := range rows {
			row = maps.Clone(row)
			if v, there := row[old+"_complete"]; there {
				delete(row, old+"_complete")
				row[now+"_complete"] = v
			}
			moved[key] = row
		}
		out[name+"."+now] = moved
	}
	return out
}

// TestHostileSources plays every answer of RELIABILITY 2.3 through the program, on an empty and on a full warehouse. Whatever
// comes: no row is deleted that the source still has, no cell is blanked, every row is accounted for, marks move with success
// only, and once the source is well the next run makes the warehouse what it should be.
func TestHostileSources(t *testing.T) {
	s := newStage(t)
	all := slices.Concat(hostileAnswers(), hostileStructure(), hostileRights(), hostileChanges(), hostileValues(), hostileNames())
	t.Run("cases", func(t *testing.T) {
		for _, c := range all {
			for _, w := range []ground{onEmpty, onFull, byChanges} {
				if c.fullOnly && w == onEmpty {
					continue
				}
				t.Run(fmt.Sprintf("%s %s/%s", c.row, c.name, w), func(t *testing.T) {
					t.Parallel()
					s.play(t, c, w)
				})
			}
		}
	})
	f := &s.totals
	t.Logf("hostile sources: %d cases, %d runs, wrong deletes %d, blanked cells %d, rows unaccounted for %d, panics %d, healed by the next run %d",
		f.cases.Load(), f.runs.Load(), f.deletes.Load(), f.blanks.Load(), f.unaccounted.Load(), f.panics.Load(), f.healed.Load())
}

// ground is what a case is played on, and by which kind of run.
type ground string

const (
	onEmpty   ground = "empty"   // a first load
	onFull    ground = "full"    // a full run on what was loaded
	byChanges ground = "changes" // a run by changes on it: how it ends depends on whether it meets the case at all
)

// args are what is typed.
func (w ground) args() []string {
	if w == onFull {
		return []string{"sync", "--full", "ward"}
	}
	return []string{"sync", "ward"}
}

// play runs one case once, and again with the source well where it failed.
func (s *stage) play(t *testing.T, c hostileCase, w ground) {
	full := w != onEmpty
	before := contents{}
	if full {
		before = c.follow(s.loaded[c.kind].holds)
	}
	database := s.borrow(t, c.kind, full)
	defer s.giveBack(t, c.kind, full, !c.changed, database)
	sc := s.scene(t, fake.Synthetic(hostileSpec(c.kind)), c.options, database, c.job)
	c.arrange(t, sc)
	markBefore := sc.mark(t)
	got := s.judged(t, sc, c, before, w.args())
	want := map[ground]outcome{onEmpty: c.empty, onFull: c.full, byChanges: got}[w]
	t.Logf("%s %s: exit %d, %s %s", c.row, c.name, got.Exit, got.State, got.Kind)
	s.totals.cases.Add(1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s\n%s", diff, sc.tail())
	}
	if c.says != "" && w != byChanges && !strings.Contains(sc.said.String(), c.says) {
		t.Errorf("%q was not said:\n%s", c.says, sc.tail())
	}
	after := readContents(t, sc.database)
	switch {
	case got.State == "succeeded" && w == byChanges:
		if !c.changed {
			s.heal(t, sc, c) // what it did not meet, the next full run does
		}
		return
	case got.State == "succeeded":
		s.succeeded(t, sc, c, after)
		return
	}
	if mark := sc.mark(t); mark != markBefore {
		t.Errorf("the mark moved with a run that did not succeed: %s, then %s", markBefore, mark)
	}
	if full {
		if diff := cmp.Diff(before.live(), after.live()); diff != "" && !c.changed {
			t.Errorf("a run that did not succeed changed what is stored:\n%s", diff)
		}
	} else if odd := after.live().strangers(s.loaded[c.kind].holds.business()); len(odd) > 0 && !c.changed {
		t.Errorf("a run that did not succeed left rows that no good run leaves: %d, first %s", len(odd), odd[0])
	}
	if !c.changed {
		s.heal(t, sc, c)
	}
}

// judged runs the job and checks what holds for every run, whatever the source did.
func (s *stage) judged(t *testing.T, sc *scene, c hostileCase, before contents, args []string) outcome {
	t.Helper()
	got := outcome{Exit: sc.run(t, args...)}
	s.totals.runs.Add(1)
	got.State, got.Kind = sc.lastRun(t)
	after := readContents(t, sc.database)
	if lost := before.live().lost(after, c.gone); len(lost) > 0 {
		s.totals.deletes.Add(int64(len(lost)))
		t.Errorf("wrong deletes: %d, first %s", len(lost), lost[0])
	}
	if blank := before.live().blanked(after, c); len(blank) > 0 {
		s.totals.blanks.Add(int64(len(blank)))
		t.Errorf("blanked cells: %d, first %s", len(blank), blank[0])
	}
	for _, unaccounted := range sc.unaccounted(t, before, after) {
		s.totals.unaccounted.Add(1)
		t.Error(unaccounted)
	}
	said := sc.said.String()
	if strings.Contains(said, "panic") || got.Kind == "internal" {
		s.totals.panics.Add(1)
		t.Errorf("a panic, or a defect:\n%s", sc.tail())
	}
	if strings.Contains(strings.ToUpper(said), sc.token) {
		t.Error("the token was printed")
	}
	if err := sc.server.ReadOnly(); err != nil {
		t.Error(err)
	}
	return got
}

// succeeded checks a run that did: the mark is its own, the records are the source's, and where the source is what it was, so
// is every table.
func (s *stage) succeeded(t *testing.T, sc *scene, c hostileCase, after contents) {
	t.Helper()
	if mark, run := sc.mark(t), scalar(t, sc.database, "SELECT max(run_id) FROM syncd.run"); !strings.HasSuffix(mark, " "+run) {
		t.Errorf("the mark %s is not of the run %s that succeeded", mark, run)
	}
	if n := len(sc.project.Records()) - c.refused; c.refused >= 0 && len(after.ids()) != n {
		t.Errorf("%d records are stored, %d are at the source", len(after.ids()), n)
	}
	if !c.changed {
		if diff := cmp.Diff(s.loaded[c.kind].holds.live().business(), after.live().business()); diff != "" {
			t.Errorf("what is stored is not what the source has:\n%s", diff)
		}
	}
	if got := sc.rejects(t); !maps.Equal(got, c.rejects) {
		t.Errorf("open rejects %v, want %v", got, c.rejects)
	}
	if c.check != nil {
		c.check(t, after)
	}
}

// heal makes the source well again and runs once more: the warehouse is then as if nothing had been.
func (s *stage) heal(t *testing.T, sc *scene, c hostileCase) {
	t.Helper()
	well := s.scene(t, fake.Synthetic(hostileSpec(c.kind)), fake.Options{}, sc.database, "")
	if code := well.run(t, "sync", "--full", "ward"); code != exitDone {
		t.Errorf("the run after it: exit %d\n%s", code, well.tail())
		return
	}
	s.totals.runs.Add(1)
	after := readContents(t, sc.database)
	if diff := cmp.Diff(s.loaded[c.kind].holds.business(), after.business()); diff != "" {
		t.Errorf("the next run did not make the warehouse what it should be:\n%s", diff)
		return
	}
	s.totals.healed.Add(1)
}

// lastRun is how the newest run ended, and of what kind its error was.
func (sc *scene) lastRun(t *testing.T) (state, kind string) {
	t.Helper()
	both := scalar(t, sc.database, "SELECT state || ' ' || coalesce(error_kind, '') FROM syncd.run ORDER BY run_id DESC LIMIT 1")
	state, kind, _ = strings.Cut(both, " ")
	return state, kind
}

// mark is the job's mark and the run that set it.
func (sc *scene) mark(t *testing.T) string {
	t.Helper()
	return scalar(t, sc.database, "SELECT string_agg(name || ' ' || value || ' ' || run_id, ', ' ORDER BY name) FROM syncd.mark WHERE job = 'ward'")
}

// unaccounted compares the counts of the newest run with the equation and with the tables themselves.
func (sc *scene) unaccounted(t *testing.T, before, after contents) (wrong []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), sc.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT schema_name || '.' || table_name, read, inserted + updated + unchanged + reencoded + superseded + duplicate + rejected + blocked,
			inserted, deleted FROM syncd.run_table WHERE run_id = (SELECT max(run_id) FROM syncd.run)`)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var read, sum, inserted, deleted int64
	_, err = pgx.ForEachRow(rows, []any{&name, &read, &sum, &inserted, &deleted}, func() error {
		if read != sum {
			wrong = append(wrong, fmt.Sprintf("%s: %d rows were read, %d are accounted for", name, read, sum))
		}
		if was, is := int64(len(before[name])), int64(len(after[name])); was+inserted-deleted != is {
			wrong = append(wrong, fmt.Sprintf("%s: held %d rows, %d came, %d went, and it holds %d", name, was, inserted, deleted, is))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := scalar(t, sc.database, "SELECT count(*) FROM syncd.run WHERE state = 'running'"); n != "0" {
		wrong = append(wrong, n+" runs are left running")
	}
	return wrong
}

// rejects are the open ones, by rule.
func (sc *scene) rejects(t *testing.T) map[string]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), sc.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT rule, count(*)::int FROM syncd.reject WHERE resolved_at IS NULL GROUP BY 1")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]int
	var rule string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&rule, &n}, func() error {
		if all == nil {
			all = map[string]int{}
		}
		all[rule] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
