package redcap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// site is a project on a server whose clock the test moves, and a warehouse that keeps marks and memo from run to run.
type site struct {
	t       testing.TB
	server  *fake.Server
	project *fake.Project
	url     string
	now     time.Time
	store   *store
	since   extract.Since
	last    *extract.Structure
	batches []*extract.Batch // of the last run, without rows
	read    []string         // ids that the last run read
}

func newSite(t testing.TB, p *fake.Project, o fake.Options) *site {
	s := &site{t: t, project: p, now: time.Date(2026, 3, 2, 7, 15, 0, 0, time.UTC), store: newStore(t)}
	o.Clock = func() time.Time { return s.now }
	s.server, s.url = serve(t, o, p)
	s.since.Marks = map[string]string{}
	return s
}

// run makes one run, as job and load would; a failed one leaves marks and memo as they were.
func (s *site) run(full bool, change ...func(*Config)) (*extract.Proof, error) {
	s.t.Helper()
	s.server.ResetRequests()
	for attempt := 0; ; attempt++ {
		src := source(s.t, s.url, s.project.Token(), change...)
		since := s.since
		since.Full, since.Stale = full, attempt > 0
		proof, err := s.attempt(src, since)
		if err != nil && extract.KindOf(err) == extract.KindDrift && attempt == 0 {
			continue
		}
		return proof, err
	}
}

func (s *site) attempt(src *Source, since extract.Since) (*extract.Proof, error) {
	s.batches, s.read = nil, nil
	var err error
	if s.last, err = src.Describe(s.t.Context(), since); err != nil {
		return nil, err
	}
	since.Stored = s.store
	return src.Pull(s.t.Context(), since, func(b *extract.Batch) error {
		if err := s.store.load(b); err != nil {
			return err
		}
		kept := *b
		kept.Rows = nil
		s.batches = append(s.batches, &kept)
		if b.Scope != nil && b.Scope.Width == 1 && !b.Vanished {
			for _, key := range b.Scope.Keys {
				s.read = append(s.read, strings.Clone(key[0]))
			}
		}
		for _, m := range b.Marks {
			s.since.Marks[m.Name] = m.Value
		}
		if b.Memo != nil {
			s.since.Memo = slices.Clone(b.Memo)
		}
		return nil
	})
}

func (s *site) must(full bool, change ...func(*Config)) *extract.Proof {
	s.t.Helper()
	proof, err := s.run(full, change...)
	if err != nil {
		s.t.Fatal(err)
	}
	return proof
}

// night lets a day pass.
func (s *site) night() { s.now = s.now.Add(24 * time.Hour) }

func (s *site) calls() []string {
	var all []string
	for _, r := range s.server.Requests() {
		all = append(all, r.Content)
	}
	return all
}

func cohort(t testing.TB, records int) *fake.Project {
	t.Helper()
	return fake.Synthetic(fake.Spec{Kind: fake.Longitudinal, Title: "Changes", Records: records, Fields: 12, Forms: 3})
}

func TestANightInWhichNothingChangedReadsNoRecordAndAlmostNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, cohort(t, 40), fake.Options{})
	if proof := s.must(false); !proof.Full {
		t.Fatal("the first run was not a full one")
	}
	s.night()
	s.night()
	proof := s.must(false)
	if proof.Full || proof.Named.Len() != 0 || len(s.read) != 0 {
		t.Errorf("full %t, named %d, read %d", proof.Full, proof.Named.Len(), len(s.read))
	}
	if calls := s.calls(); len(calls) > 6 {
		t.Errorf("%d requests with the log: %v", len(calls), calls)
	}
	s.project.Rights(func(u *fake.User) { u.Logging = false })
	s.night()
	s.must(false) // finds out that the log is refused
	s.night()
	s.must(false)
	if calls := s.calls(); len(calls) > 10 || len(s.read) != 0 {
		t.Errorf("%d requests without the log: %v; read %v", len(calls), calls, s.read)
	}
}

func TestOnlyWhatChangedIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, logging := range []bool{true, false} {
		p := cohort(t, 60)
		s := newSite(t, p, fake.Options{})
		p.Rights(func(u *fake.User) { u.Logging = logging })
		s.must(false)
		s.night()
		s.night()
		ids := p.Records()
		field := p.Fields()[2].Name
		done(t, p.Set(ids[7], "", "", 0, field, ""))
		done(t, p.AddRecord("9001", nil))
		done(t, p.Delete(ids[3]))
		done(t, p.DeleteTraceless(ids[4]))
		proof := s.must(false)
		slices.Sort(s.read)
		want := []string{ids[7], "9001"}
		slices.Sort(want)
		if proof.Full || !slices.Equal(slices.Compact(s.read), want) {
			t.Errorf("logging %t: full %t, read %v, want %v", logging, proof.Full, s.read, want)
		}
		slices.Sort(s.store.vanished)
		if want := []string{ids[3], ids[4]}; !slices.Equal(s.store.vanished, want) {
			t.Errorf("logging %t: vanished %v, want %v", logging, s.store.vanished, want)
		}
	}
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARecordThatOnlyChangedItsGroupIsReadAgain(t *testing.T) {
	t.Parallel()
	p := cohort(t, 30)
	group := p.AddDAG("North")
	s := newSite(t, p, fake.Options{})
	s.must(false)
	s.night()
	s.night()
	id := p.Records()[5]
	p.Silently(func() { done(t, p.SetGroup(id, group)) })
	s.must(false)
	if !slices.Equal(s.read, []string{id}) {
		t.Errorf("read %v, want only %s", s.read, id)
	}
	if got := s.store.row(".redcap_record", id)["redcap_data_access_group"]; got != group {
		t.Errorf("group %q, want %q", got, group)
	}
}

func TestAChangeOfStructureReadsOnlyTheInstrumentsThatItTouches(t *testing.T) {
	t.Parallel()
	p := cohort(t, 30)
	s := newSite(t, p, fake.Options{})
	s.must(false)
	s.night()
	s.night()
	form := p.Forms()[1].Name
	done(t, p.AddField(fake.Field{Name: "fresh", Form: form, Type: "text", Label: "Fresh"}))
	proof := s.must(false)
	if proof.Full || len(s.read) != 30 {
		t.Fatalf("full %t, read %d of 30", proof.Full, len(s.read))
	}
	for _, b := range s.batches {
		if b.Scope == nil || b.Scope.Width != 1 {
			continue
		}
		for _, table := range b.Scope.Tables {
			if table.Source != form {
				t.Errorf("table %s was read again for a change of %s", table.Name, form)
			}
		}
	}
	s.night()
	s.must(false)
	if len(s.read) != 0 {
		t.Errorf("the night after read %d records again", len(s.read))
	}
	done(t, p.ChangeField("fresh", func(f *fake.Field) { f.Label = "Another label" }))
	s.must(false)
	if len(s.read) != 0 {
		t.Errorf("a label alone let %d records be read again", len(s.read))
	}
}

func TestWhatNobodyLoggedIsFoundByAFullRunAndCalledDrift(t *testing.T) {
	t.Parallel()
	p := cohort(t, 30)
	s := newSite(t, p, fake.Options{})
	s.must(false)
	s.night()
	s.night()
	ids, field := p.Records(), p.Fields()[2].Name
	p.Silently(func() { done(t, p.Set(ids[9], "", "", 0, field, "")) })
	done(t, p.Set(ids[2], "", "", 0, field, ""))
	if s.must(false); slices.Contains(s.read, ids[9]) {
		t.Fatal("a run by changes read what nothing told of")
	}
	s.night()
	s.night()
	s.must(true)
	drift := map[string]bool{}
	for _, b := range s.batches {
		for _, key := range scopeKeys(b) {
			drift[key] = b.Drift
		}
	}
	if !drift[ids[9]] || len(drift) != 30 {
		t.Errorf("%d records, drift of the silent one %t", len(drift), drift[ids[9]])
	}
}

func scopeKeys(b *extract.Batch) []string {
	var keys []string
	if b.Scope != nil && b.Scope.Width == 1 {
		for _, k := range b.Scope.Keys {
			keys = append(keys, k[0])
		}
	}
	return keys
}

func TestWhyWhatIsGoneMayNotBeIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *fake.Project)
		want   string
	}{
		"a user in a group": {func(p *fake.Project) {
			g := p.AddDAG("North")
			done(t, p.SetGroup(p.Records()[0], g))
			p.Rights(func(u *fake.User) { u.DAG = g })
		}, "data access group"},
		"an export right": {func(p *fake.Project) {
			done(t, p.Delete(p.Records()[0]))
			form := p.Forms()[1].Name
			p.Rights(func(u *fake.User) { u.Forms[form] = fake.ExportNone })
		}, "export right"},
		"everything erased": {func(p *fake.Project) { p.EraseAll() }, "Erase all data"},
		"another token": {func(p *fake.Project) {
			done(t, p.Delete(p.Records()[0]))
			p.Rights(func(u *fake.User) { u.Logging = false })
			p.SetToken("0123456789ABCDEF0123456789ABCDEF")
		}, "another token"},
		"another user": {func(p *fake.Project) {
			done(t, p.Delete(p.Records()[0]))
			p.Rights(func(u *fake.User) { u.Name = "somebody_else" })
			p.SetToken("0123456789ABCDEF0123456789ABCDEF")
		}, "another user"},
	} {
		t.Run(name, func(t *testing.T) {
			p := cohort(t, 12)
			s := newSite(t, p, fake.Options{})
			s.must(false)
			s.night()
			s.must(false)
			s.night()
			c.change(p)
			s.must(false)
			last := s.batches[len(s.batches)-1]
			if !last.Vanished || !strings.Contains(last.Doubt, c.want) {
				t.Errorf("vanished %t, doubt %q, want %q", last.Vanished, last.Doubt, c.want)
			}
		})
	}
}

func TestIdentitiesAreRecognisedBeforeRecordsAreRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *fake.Project)
		want   extract.Rename
	}{
		"event": {func(p *fake.Project) {
			_, err := p.RenameEvent("", "Baseline")
			done(t, err)
		}, extract.Rename{Kind: extract.RenameValue, Table: "form_1", Column: eventColumn, New: "baseline_arm_1"}},
		"instrument": {func(p *fake.Project) { done(t, p.RenameForm("form_2", "vitals")) }, extract.Rename{Kind: extract.RenameTable, Old: "form_2", New: "vitals"}},
		"field": {
			func(p *fake.Project) { done(t, p.RenameField(p.Fields()[2].Name, "other_name")) },
			extract.Rename{Kind: extract.RenameColumn, Table: "form_1", New: "other_name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := cohort(t, 8)
			s := newSite(t, p, fake.Options{})
			s.must(false)
			s.night()
			c.change(p)
			s.must(false)
			if !slices.ContainsFunc(s.last.Renames, func(r extract.Rename) bool {
				return r.Kind == c.want.Kind && r.New == c.want.New && (c.want.Old == "" || r.Old == c.want.Old) && r.Table == c.want.Table
			}) {
				t.Errorf("renames %+v, want %+v", s.last.Renames, c.want)
			}
		})
	}
}

func TestAWebServersNotFoundIsNoMissingMethod(t *testing.T) {
	t.Parallel()
	p := cohort(t, 6)
	p.AddDAG("North")
	s := newSite(t, p, fake.Options{})
	s.server.Fault(fake.Fault{Kind: fake.Status, N: 404, Content: "dag", Times: 2})
	if _, err := s.run(false); extract.KindOf(err) != extract.KindRefused {
		t.Fatalf("a run that was told 404: %v", err)
	}
	s.server.ClearFaults()
	s.must(false)
	if s.store.count("_meta.redcap_dag") < 1 {
		t.Error("the groups are missing")
	}
}
