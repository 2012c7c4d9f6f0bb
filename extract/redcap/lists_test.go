package redcap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// meanwhile runs change once, before the first export of records is answered.
func meanwhile(server *fake.Server, change func()) {
	var once sync.Once
	server.OnRequest(func(r fake.Request) {
		if data(r) {
			once.Do(change)
		}
	})
}

func TestWhatChangesDuringAPullIsAccountedFor(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *fake.Project) error
		live   []string
		gone   []string
	}{
		{"created", func(p *fake.Project) error { return p.AddRecord("9", map[string]string{"memo": "new"}) }, []string{"1", "2", "3", "9"}, nil},
		{"deleted before it is read", func(p *fake.Project) error { return p.Delete("2") }, []string{"1", "3"}, []string{"2"}},
		{"renamed before it is read", func(p *fake.Project) error { return p.Rename("2", "2b") }, []string{"1", "2b", "3"}, []string{"2"}},
		{"deleted and created again", func(p *fake.Project) error {
			if err := p.Delete("2"); err != nil {
				return err
			}
			return p.AddRecord("2", map[string]string{"memo": "again"})
		}, []string{"1", "2", "3"}, nil},
		{"everything erased", func(p *fake.Project) error { p.EraseAll(); return nil }, []string{}, []string{"1", "2", "3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := clinic(t, text("memo"))
			for _, id := range []string{"1", "2", "3"} {
				add(t, p, id, map[string]string{"memo": "x" + id})
			}
			server, url := serve(t, fake.Options{}, p)
			s := newStore(t)
			mustPull(t, source(t, url, p.Token()), s)
			meanwhile(server, func() {
				if err := test.change(p); err != nil {
					t.Error(err)
				}
			})
			_, proof := mustPull(t, source(t, url, p.Token()), s)
			got := s.ids()
			if diff := cmp.Diff(test.live, got); diff != "" {
				t.Errorf("live records:\n%s", diff)
			}
			slices.Sort(s.vanished)
			if diff := cmp.Diff(test.gone, s.vanished); diff != "" {
				t.Errorf("vanished:\n%s", diff)
			}
			for _, id := range got {
				if !proof.Before.Has(id) && !proof.After.Has(id) {
					t.Errorf("record %s is live and in no list", id)
				}
			}
		})
	}
}

// ids are the stored records, in order.
func (s *store) ids() []string {
	ids := []string{}
	for key := range s.tables[".redcap_record"].rows {
		ids = append(ids, key)
	}
	slices.Sort(ids)
	return ids
}

func TestARecordDeletedAfterItWasReadIsReadAgain(t *testing.T) {
	p := clinic(t, text("memo"))
	for _, id := range []string{"1", "2", "3"} {
		add(t, p, id, map[string]string{"memo": "x"})
	}
	server, url := serve(t, fake.Options{}, p)
	lists := 0
	server.OnRequest(func(r fake.Request) {
		if ids(r) {
			if lists++; lists == 2 {
				if err := p.Delete("3"); err != nil {
					t.Error(err)
				}
			}
		}
	})
	s := newStore(t)
	_, proof := mustPull(t, source(t, url, p.Token()), s)
	if diff := cmp.Diff([]string{"1", "2"}, s.ids()); diff != "" {
		t.Error(diff)
	}
	if !proof.Before.Has("3") || proof.After.Has("3") || !slices.Equal(s.vanished, []string{"3"}) {
		t.Errorf("listed before %t, after %t, vanished %q", proof.Before.Has("3"), proof.After.Has("3"), s.vanished)
	}
}

func TestEverythingThatVanishedStandsInOneBatch(t *testing.T) {
	p := small(fake.Mixed, 300)
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token()), s)
	for i := range 250 {
		if err := p.Delete(fmt.Sprint(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	src := source(t, url, p.Token())
	if _, err := src.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	refuse := extract.Errorf(extract.KindHeld, "load", "looks like mass deletion")
	_, err := src.Pull(t.Context(), extract.Since{Full: true, Stored: s}, func(b *extract.Batch) error {
		if b.Vanished {
			held = len(b.Scope.Keys)
			return refuse
		}
		return s.load(b)
	})
	if err != refuse || held != 250 {
		t.Errorf("%d vanished in the batch, pull: %v", held, err)
	}
	if len(s.marks) != 1 {
		t.Errorf("marks %v: the held run moved the mark", s.marks)
	}
}

func TestAnEmptyListIsBelievedOnlyWithProof(t *testing.T) {
	p := small(fake.Classic, 5)
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token()), s)
	disarm := server.Fault(fake.Fault{Kind: fake.NoRecords, Match: ids})
	if _, _, err := pullInto(t, source(t, url, p.Token()), s); extract.KindOf(err) != extract.KindGarbled || err == nil {
		t.Errorf("empty lists of a full project: %v", err)
	}
	disarm()
	p.EraseAll()
	mustPull(t, source(t, url, p.Token()), s)
	if len(s.vanished) != 5 {
		t.Errorf("vanished %q of an empty project, want all", s.vanished)
	}
}

func TestIdsThatDifferInCaseOnlyAreOneRecord(t *testing.T) {
	set := func(list ...string) *idList {
		l := &idList{ids: new(extract.KeySet), out: new(extract.KeySet), refused: map[string]int{}}
		for _, id := range list {
			l.ids.Add(id)
		}
		l.dropTwins()
		l.ids.Sort()
		l.out.Sort()
		return l
	}
	all := func(s *extract.KeySet) string { return strings.Join(slices.Collect(s.All()), " ") }
	for _, test := range []struct{ list, kept, out string }{
		{"a1 b A1", "A1 b", "a1"},
		{"A1 a1", "a1", "A1"},
		{"a1 A1 a1", "a1", "A1"},
		{"a1 A1 a1 A1", "A1", "a1"},
		{"1 01 001", "001 01 1", ""},
		{"É é", "é", "É"},
		{"abc def", "abc def", ""},
	} {
		l := set(strings.Fields(test.list)...)
		if all(l.ids) != test.kept || all(l.out) != test.out || l.refused[refusedTwin] != len(strings.Fields(test.out)) {
			t.Errorf("%s: kept %s, out %s, refused %v", test.list, all(l.ids), all(l.out), l.refused)
		}
	}
}

func TestTheLaterOfTwoTwinsWinsAndIsCounted(t *testing.T) {
	p := clinic(t, text("memo"))
	_, url := serve(t, fake.Options{}, p)
	src := source(t, url, p.Token())
	if _, err := src.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	r := src.newReader(handTo(t, s.load), src.model)
	f := response(t, r, []string{"A1"}, "record_id,text_1,form_1_complete,memo,visit_complete\na1,,,first,2\nA1,,,second,2\n")
	if err := r.accept(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.flush(nil), r.hand.Settled()); err != nil {
		t.Fatal(err)
	}
	if got := s.row(".visit", "A1", "", "1")["memo"]; got != "second" || s.duplicate != 1 || s.count(".redcap_record") != 1 {
		t.Errorf("memo %q, duplicates %d, records %d", got, s.duplicate, s.count(".redcap_record"))
	}
}

// response makes a response of a text; the header's second column is whatever the dictionary calls it.
func response(t testing.TB, r *reader, ids []string, body string) *fetch {
	t.Helper()
	body = strings.Replace(body, "text_1", r.m.fields[1].name(), 1)
	f := &fetch{item: item{ids: ids}, desk: new(desk), answer: &answer{body: []byte(body)}}
	f.torn = f.desk.sheet.split(f.answer.body)
	return f
}

func TestIdsThatCannotBeKeysAreRejectsAndNothingElseSuffers(t *testing.T) {
	p := clinic(t, text("memo"))
	add(t, p, "1", map[string]string{"memo": "x"})
	add(t, p, "bad\xA0id", map[string]string{"memo": "y"})
	add(t, p, strings.Repeat("9", 2_001), map[string]string{"memo": "z"})
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	_, proof := mustPull(t, source(t, url, p.Token()), s)
	if diff := cmp.Diff([]string{"1"}, s.ids()); diff != "" {
		t.Error(diff)
	}
	if len(s.rejects) != 2 || !slices.ContainsFunc(s.rejects, func(r extract.Reject) bool {
		return string(r.Raw) == "bad\xA0id" && r.Rule == refusedText
	}) {
		t.Errorf("rejects %d, want two with their raw ids", len(s.rejects))
	}
	if proof.Refused[refusedText] != 1 || proof.Refused[refusedLong] != 1 {
		t.Errorf("refused %v", proof.Refused)
	}
}

func TestARaggedRowIsKeptAsARejectAndMovesNothingOut(t *testing.T) {
	p := clinic(t, text("memo"))
	_, url := serve(t, fake.Options{}, p)
	src := source(t, url, p.Token())
	if _, err := src.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	r := src.newReader(handTo(t, s.load), src.model)
	f := response(t, r, []string{"1", "2", "3"}, "record_id,text_1,form_1_complete,memo,visit_complete\n1,,,a,2\n2,,,b\n3,,,c,2\n")
	if err := r.accept(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.flush(nil), r.hand.Settled()); err != nil {
		t.Fatal(err)
	}
	if len(s.rejects) != 1 || s.rejects[0].Key != nil || string(s.rejects[0].Raw) != "2,,,b" || s.count(".visit") != 2 || s.count(".redcap_record") != 3 {
		t.Errorf("rejects %d, rows %d, records %d", len(s.rejects), s.count(".visit"), s.count(".redcap_record"))
	}
}
