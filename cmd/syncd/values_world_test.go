package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// valuesWorld is a server of projects and the warehouse that the program makes of them.
type valuesWorld struct {
	dir    string
	server *fake.Server
	conn   *pgx.Conn
	url    string // of the fake
	toml   strings.Builder
}

func newValuesWorld(t *testing.T) *valuesWorld {
	t.Helper()
	w := &valuesWorld{dir: t.TempDir(), server: fake.NewServer(fake.Options{})}
	web := httptest.NewServer(w.server)
	t.Cleanup(web.Close)
	w.url = web.URL + "/api/"
	database := pgtest.New(t)
	write(t, w.dir, "database", database)
	fmt.Fprintf(&w.toml, "[postgres]\nurl = \"file:database\"\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n", w.url)
	var err error
	if w.conn, err = pgx.Connect(t.Context(), pgtest.Super(database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close(context.WithoutCancel(t.Context())) })
	return w
}

// valuesProject is a classic project with an instrument of each list of fields beside its first one, which holds the id only.
func valuesProject(t *testing.T, id int, title string, forms map[string][]fake.Field) *fake.Project {
	t.Helper()
	p := fake.Synthetic(fake.Spec{Kind: fake.Classic, Records: 0, Fields: 1, Forms: 1, ID: id, Title: title})
	for name, fields := range forms {
		if err := p.AddForm(fake.Form{Name: name, Label: name}, fields...); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// add makes a job of a project; keys are further lines of its block.
func (w *valuesWorld) add(t *testing.T, job string, p *fake.Project, keys string) {
	t.Helper()
	w.server.Add(p)
	write(t, w.dir, job+".token", p.Token())
	fmt.Fprintf(&w.toml, "[job.%[1]s]\nsource = \"redcap.main\"\ntoken = \"file:%[1]s.token\"\n%[2]s\n", job, keys)
}

func (w *valuesWorld) sync(t *testing.T, args ...string) {
	t.Helper()
	write(t, w.dir, "jobs.toml", w.toml.String())
	var said bytes.Buffer
	m := &Main{
		Args: append([]string{"-c", filepath.Join(w.dir, "jobs.toml"), "sync", "--all"}, args...), Stdout: &said, Stderr: &said,
		Stdin: strings.NewReader(""), Now: time.Now,
	}
	if code := m.Run(t.Context()); code != exitDone {
		t.Fatalf("sync: exit code %d\n%s", code, said.String())
	}
}

// save stores values of one record in one place.
func (w *valuesWorld) save(t *testing.T, p *fake.Project, record string, at fake.Place, values map[string]string) {
	t.Helper()
	if err := p.SetMany(record, at, values); err != nil {
		t.Fatal(err)
	}
}

// asker is a connection or a transaction.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// lines are the rows of a query, their columns joined by bars; NULL is a hyphen.
func lines(t *testing.T, from asker, sql string, args ...any) []string {
	t.Helper()
	rows, err := from.Query(t.Context(), "SELECT array_to_string(ARRAY(SELECT coalesce(value, '-') FROM json_each_text(row_to_json(q))), '|') FROM ("+sql+") AS q", args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (w *valuesWorld) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := w.conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// as runs a query as a role that has no rights but those of grants; %[1]s in a grant is its name.
func (w *valuesWorld) as(t *testing.T, name string, grants []string, do func()) {
	t.Helper()
	role := pgx.Identifier{name + "_" + w.conn.Config().Database}.Sanitize()
	w.exec(t, "CREATE ROLE "+role)
	defer w.exec(t, "RESET ROLE; DROP OWNED BY "+role+"; DROP ROLE "+role)
	for _, g := range grants {
		w.exec(t, fmt.Sprintf(g, role))
	}
	w.exec(t, "SET ROLE "+role)
	do()
}

// asManager are the grants of a data manager, as docs/operations.md says them, but for those on projects.
var asManager = []string{
	"GRANT USAGE ON SCHEMA syncd TO %[1]s",
	"GRANT SELECT ON syncd.job, syncd.table_def, syncd.column_def, syncd.value_rule, syncd.nonconforming, syncd.nonconforming_summary, " +
		"syncd.all_field, syncd.all_choice, syncd.all_event, syncd.all_dag TO %[1]s",
}
