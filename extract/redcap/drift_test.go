package redcap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func TestAProjectThatChangesUnderneathIsReadAgainFromItsStructure(t *testing.T) {
	tests := map[string]func(p *fake.Project) error{
		"a field is added":   func(p *fake.Project) error { return p.AddField(fake.Field{Name: "late", Form: "visit", Type: "text"}) },
		"a field is removed": func(p *fake.Project) error { return p.RemoveField("memo") },
		"a field is renamed": func(p *fake.Project) error { return p.RenameField("memo", "note") },
		"a form is added": func(p *fake.Project) error {
			return p.AddForm(fake.Form{Name: "later"}, fake.Field{Name: "q", Type: "text"})
		},
		"the id field is renamed": func(p *fake.Project) error { return p.RenameField("record_id", "study_id") },
		"it turns longitudinal":   func(p *fake.Project) error { p.MakeLongitudinal(); return nil },
		"groups are taken away":   func(p *fake.Project) error { p.Rights(func(u *fake.User) { u.DAGs = false }); return nil },
		"a code is added":         func(p *fake.Project) error { p.SetCodes(fake.Code{Code: "NI", Label: "x"}); return nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := clinic(t, text("memo"), fake.Field{Name: "box", Type: "checkbox", Choices: "1, a"})
			p.AddDAG("Site A")
			add(t, p, "1", map[string]string{"memo": "x"})
			server, url := serve(t, fake.Options{}, p)
			s := newStore(t)
			mustPull(t, source(t, url, p.Token()), s)
			before := cloned(s.contents())
			meanwhile(server, func() {
				if err := change(p); err != nil {
					t.Error(err)
				}
			})
			_, _, err := pullInto(t, source(t, url, p.Token()), s)
			if extract.KindOf(err) != extract.KindDrift {
				t.Fatalf("pull: %v (%s), want drift", err, extract.KindOf(err))
			}
			if diff := cmp.Diff(before[".visit"], s.contents()[".visit"]); diff != "" || len(s.vanished) > 0 {
				t.Errorf("what is stored changed:\n%s", diff)
			}
			mustPull(t, source(t, url, p.Token()), s) // the run starts once more from Describe
			if n := len(s.ids()); n != 1 {
				t.Errorf("%d records, want 1", n)
			}
		})
	}
}

func TestRequestsStaySmallAndNothingIsWritten(t *testing.T) {
	p := fake.Synthetic(fake.Spec{Records: 2_000, Fields: 8, Forms: 2, Prefix: "SUBJECT-", Missing: true})
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), options(Options{OnlyForms: []string{"form_1"}})), s)
	if n := s.count(".redcap_record"); n != 2_000 {
		t.Errorf("%d records, want 2000", n)
	}
	asked := 0
	for _, r := range server.Requests() {
		if r.BodyBytes > BodyBytes || r.Variables > 900 {
			t.Errorf("%s: a request of %d bytes and %d variables", r.Content, r.BodyBytes, r.Variables)
		}
		if data(r) {
			asked++
		}
	}
	if asked > 30 {
		t.Errorf("%d requests for 2,000 records", asked)
	}
	if err := server.ReadOnly(); err != nil {
		t.Error(err)
	}
}

func TestCheckSaysWhatWasSeenAndWhatToTypeNext(t *testing.T) {
	p := clinic(t, text("memo"))
	add(t, p, "1", nil)
	server, url := serve(t, fake.Options{}, p)
	for _, f := range source(t, url, p.Token()).Check(t.Context()) {
		if !f.OK || f.Detail == "" {
			t.Errorf("%+v, want all well", f)
		}
	}
	p.Rights(func(u *fake.User) { u.APIExport = false })
	last := func(src *Source) extract.Finding {
		found := src.Check(t.Context())
		return found[len(found)-1]
	}
	for name, test := range map[string]struct {
		src  *Source
		what string
	}{
		"no API right": {source(t, url, p.Token()), "token"},
		"no token":     {source(t, url, "x"), "token"},
		"nobody home":  {source(t, "http://127.0.0.1:1/api/", p.Token()), "reachable"},
		"wrong path":   {source(t, strings.TrimSuffix(url, "api/")+"redcap/", p.Token()), "reachable"},
	} {
		if f := last(test.src); f.OK || f.What != test.what || f.Next == "" || strings.Contains(f.Detail, p.Token()) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if err := server.ReadOnly(); err != nil {
		t.Error(err)
	}
}
