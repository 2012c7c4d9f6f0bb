package redcap

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what it was; run with -update if that is right:\n%s", name, diff)
	}
}

// describe writes tables as a person would read them.
func describe(tables []*extract.Table) string {
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "%s.%s -- %s\n", strings.TrimPrefix(string("live"+t.Side), "live_"), t.Name, oneLine(t.Comment))
		for _, c := range t.Columns {
			mark := " "
			if c.Key {
				mark = "*"
			}
			fmt.Fprintf(&b, "  %s %-40s %-28s %s\n", mark, c.Name, c.Type, oneLine(c.Comment))
		}
	}
	return b.String()
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " / ") }

func TestStructureOfEveryShapeIsAsRecorded(t *testing.T) {
	for name, kind := range map[string]fake.SpecKind{"classic": fake.Classic, "longitudinal": fake.Longitudinal, "repeating": fake.Repeating, "mixed": fake.Mixed} {
		p := fake.Synthetic(fake.Spec{Kind: kind, Records: 3, Fields: 30, Forms: 3, Surveys: true, DAGs: 2, Missing: true})
		_, url := serve(t, fake.Options{}, p)
		structure, err := source(t, url, p.Token()).Describe(t.Context(), extract.Since{})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", describe(structure.Tables))
	}
}

func TestRowsOfEveryShapeAreAsRecorded(t *testing.T) {
	for name, kind := range map[string]fake.SpecKind{"classic": fake.Classic, "mixed": fake.Mixed} {
		p := fake.Synthetic(fake.Spec{Kind: kind, Records: 4, Fields: 16, Forms: 3, Surveys: true, DAGs: 2, Missing: true, Misfits: 50})
		_, url := serve(t, fake.Options{}, p)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token()), s)
		var lines []string
		for table, stored := range s.tables {
			for key, row := range stored.rows {
				cells := []string{}
				for column, value := range row {
					cells = append(cells, fmt.Sprintf("%s=%q", column, value))
				}
				slices.Sort(cells)
				lines = append(lines, fmt.Sprintf("%s %q: %s", table, extract.SplitKey(key), strings.Join(cells, " ")))
			}
		}
		slices.Sort(lines)
		golden(t, name+"-rows.txt", strings.Join(lines, "\n")+"\n")
	}
}

// FuzzHeader sees that any header either has a place for every column or is drift, and that none breaks a row.
func FuzzHeader(f *testing.F) {
	p := clinic(f, text("memo"), fake.Field{Name: "box", Type: "checkbox", Choices: "A, a | a, b"})
	_, url := serve(f, fake.Options{}, p)
	src := source(f, url, p.Token())
	if _, err := src.Describe(f.Context(), extract.Since{}); err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Join(src.model.header, ",") + "\n1,2,3,4,5,6,7,8\n")
	f.Add("record_id\n1\n")
	f.Fuzz(func(t *testing.T, body string) {
		s := newStore(t)
		r := src.newReader(handTo(t, s.load), src.model)
		if _, fault := r.parse(response(t, r, []string{"1"}, body)); fault != nil {
			return
		}
		l := r.d.l
		if l == nil {
			return
		}
		taken := map[int]bool{}
		for _, fl := range l.forms {
			for _, places := range fl.parts {
				for _, at := range places {
					if at < 0 || at >= l.width || taken[at] {
						t.Fatalf("column %d of %d is used twice or not there", at, l.width)
					}
					taken[at] = true
				}
			}
		}
	})
}
