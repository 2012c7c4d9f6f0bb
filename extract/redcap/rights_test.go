package redcap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func TestMissingRightsLeaveStoredColumnsAlone(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fake.User)
		gone   string // column that must be unnamed
		table  string
	}{
		{"no right to groups", func(u *fake.User) { u.DAGs = false }, groupColumnName, "visit"},
		{"in a group", func(u *fake.User) { u.DAG = "site_a" }, groupColumnName, "visit"},
		{"without identifiers", func(u *fake.User) { u.Forms["visit"] = fake.ExportWithoutIdentifer }, "ssn", "visit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := clinic(t, text("memo"), fake.Field{Name: "ssn", Type: "text", Identifier: "y"})
			p.AddDAG("Site A")
			add(t, p, "1", map[string]string{"memo": "x", "ssn": "1"})
			if err := p.SetGroup("1", "site_a"); err != nil {
				t.Fatal(err)
			}
			_, url := serve(t, fake.Options{}, p)
			p.Rights(test.change)
			s := newStore(t)
			structure, _ := mustPull(t, source(t, url, p.Token()), s)
			for _, table := range structure.Tables {
				if table.Name == test.table && !slices.Contains(table.Unnamed, test.gone) {
					t.Errorf("table %s: unnamed %q lacks %s", table.Name, table.Unnamed, test.gone)
				}
			}
			if len(structure.Warnings) == 0 || s.count(".visit") != 1 {
				t.Errorf("warnings %q, rows %d", structure.Warnings, s.count(".visit"))
			}
		})
	}
}

func TestAnInstrumentWithoutAccessKeepsItsTable(t *testing.T) {
	p := clinic(t, text("memo"))
	add(t, p, "1", map[string]string{"memo": "x"})
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token()), s)
	p.Rights(func(u *fake.User) { u.Forms["visit"] = fake.ExportNone })
	structure, _ := mustPull(t, source(t, url, p.Token()), s)
	if s.count(".visit") != 1 {
		t.Errorf("%d rows left of a form that may no longer be read, want 1", s.count(".visit"))
	}
	if !slices.ContainsFunc(structure.Tables, func(t *extract.Table) bool { return t.Name == "visit" }) {
		t.Error("the table is not declared any more, and would be taken for gone")
	}
}

func TestWithoutTheDesignRightRepeatsComeFromTheRows(t *testing.T) {
	p := small(fake.Mixed, 20)
	_, url := serve(t, fake.Options{}, p)
	full := newStore(t)
	mustPull(t, source(t, url, p.Token()), full)
	p.Rights(func(u *fake.User) { u.Design = false })
	s := newStore(t)
	structure, _ := mustPull(t, source(t, url, p.Token()), s)
	if len(structure.Warnings) != 1 {
		t.Errorf("warnings %q, want one", structure.Warnings)
	}
	for name, table := range full.tables {
		if !strings.HasPrefix(name, "_meta") && len(table.rows) != s.count(name) {
			t.Errorf("table %s: %d rows, want %d", name, s.count(name), len(table.rows))
		}
	}
}

func TestTokensThatCannotBeOnesAreRefusedUnsent(t *testing.T) {
	server, url := serve(t, fake.Options{}, clinic(t))
	for _, token := range []string{"", "abc", strings.Repeat("A", 64), strings.Repeat("G", 32)} {
		_, err := source(t, url, token).Describe(t.Context(), extract.Since{})
		if extract.KindOf(err) != extract.KindConfig || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("token of %d characters: %v", len(token), err)
		}
	}
	if n := server.Count(""); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
	p := clinic(t)
	_, url = serve(t, fake.Options{}, p)
	if _, err := source(t, url, "  "+strings.ToUpper(p.Token())+"\n").Describe(t.Context(), extract.Since{}); err != nil {
		t.Errorf("white space around a token: %v", err)
	}
	lost := errors.New("no such file")
	_, err := source(t, url, "", func(c *Config) { c.Token = func(context.Context) (string, error) { return "", lost } }).Describe(t.Context(), extract.Since{})
	if extract.KindOf(err) != extract.KindConfig || !errors.Is(err, lost) {
		t.Errorf("a token that cannot be read: %v", err)
	}
}
