package redcap

import (
	"path/filepath"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// recorded returns every recorded project that holds records.
func recorded(t *testing.T) map[string]*fake.Project {
	dir := fixtures(t)
	found := map[string]*fake.Project{}
	add := func(pattern string, read func(string) (*fake.Project, error)) {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name, _ := filepath.Rel(dir, path)
			p, err := read(path)
			if err != nil {
				t.Logf("%s holds no project: %v", name, err)
				continue
			}
			found[name] = p
		}
	}
	add("redcapr-*", fake.ReadFolder)
	add("redcap-etl/*.json", fake.ReadRecording)
	add("*/*.xml", fake.ReadXML)
	return found
}

func TestRecordedProjectsArePulledWithoutSurprises(t *testing.T) {
	projects := recorded(t)
	rows := 0
	for name, p := range projects {
		t.Run(name, func(t *testing.T) {
			server, url := serve(t, fake.Options{}, p)
			s := newStore(t)
			structure, proof := mustPull(t, source(t, url, p.Token()), s)
			if len(s.rejects) > 0 || s.duplicate > 0 || len(s.vanished) > 0 {
				t.Errorf("rejects %d, duplicates %d, vanished %d; want none", len(s.rejects), s.duplicate, len(s.vanished))
			}
			if n := len(p.Records()); s.count(".redcap_record") != n || proof.Before.Len() != n || proof.After.Len() != n {
				t.Errorf("records %d of %d, listed %d and %d", s.count(".redcap_record"), n, proof.Before.Len(), proof.After.Len())
			}
			if len(s.marks) != 1 || s.marks[0].Name != MarkServerTime {
				t.Errorf("marks %v, want one", s.marks)
			}
			if err := server.ReadOnly(); err != nil {
				t.Error(err)
			}
			for _, table := range s.tables {
				if table.table.Side == extract.Live {
					rows += len(table.rows)
				}
			}
			t.Logf("%d records, %d tables, %d notes, requests %d, warnings %q", proof.Before.Len(), len(structure.Tables), s.notes, server.Count(""), structure.Warnings)

			before := s.batches
			_, _ = mustPull(t, source(t, url, p.Token()), s)
			if len(s.vanished) > 0 {
				t.Errorf("a second pull found %d vanished records", len(s.vanished))
			}
			_ = before
		})
	}
	t.Logf("projects %d, live rows %d", len(projects), rows)
}
