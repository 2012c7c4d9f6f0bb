package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// find returns the project of a file of the recordings.
func (n *recordedNight) find(t *testing.T, file string) recordedProject {
	t.Helper()
	for _, p := range n.projects {
		if p.file == file {
			return p
		}
	}
	t.Fatalf("no recording %s", file)
	return recordedProject{}
}

// agreesWithPeer compares a table with what another program loaded from the same project: a witness that shares no
// head with this test.
func (n *recordedNight) agreesWithPeer(t *testing.T) {
	p := n.find(t, "redcap-etl/basic-demography.json")
	lines, err := csvFile(filepath.Join(fixtures(t), "redcap-etl", "BasicDemography.csv"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := map[string]string{"phone": "telephone", "birthdate": "dob"}
	cells := 0
	n.inTransaction(t, func(tx pgx.Tx) {
		tables, err := tablesOf(t.Context(), tx, p.job)
		if err != nil {
			t.Fatal(err)
		}
		table := tables["demographics"]
		if len(table.rows) != len(lines)-1 {
			t.Errorf("%d rows, the peer has %d", len(table.rows), len(lines)-1)
		}
		for _, line := range lines[1:] {
			row := table.rows[rowKey{record: line[2], instance: 1}]
			for i, name := range lines[0] {
				if i < 3 { // the peer's own number and source, and the record id
					continue
				}
				if to := renamed[name]; to != "" {
					name = to
				}
				name = strings.TrimPrefix(name, "patient_")
				c, _ := p.column(name)
				want, fate := c.expect(line[i])
				have := row.cells[name]
				cells++
				if (have == nil) != (fate == cellNull) || have != nil && canonical(c.pgType(), *have) != want {
					t.Errorf("record %s, %s: %s, the peer has %q", line[2], name, show(have), shorten(line[i]))
				}
			}
		}
	})
	t.Logf("cells %d", cells)
	if cells < 1_700 {
		t.Errorf("only %d cells were compared", cells)
	}
}

// keepsDictionaries compares redcap_field with the recorded dictionaries, attribute by attribute.
func (n *recordedNight) keepsDictionaries(t *testing.T) {
	fields, cells := 0, 0
	for _, p := range n.projects {
		if strings.HasSuffix(p.file, ".xml") {
			continue // spells its dictionary in another way
		}
		rows, err := n.conn.Query(t.Context(), "SELECT "+strings.Join(attributes(), ", ")+" FROM "+
			pgx.Identifier{p.job + "_meta", "redcap_field"}.Sanitize()+" ORDER BY ordinal")
		if err != nil {
			t.Fatal(err)
		}
		stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f [18]*string, err error) {
			into := make([]any, len(f))
			for i := range f {
				into[i] = &f[i]
			}
			return f, row.Scan(into...)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(stored) != len(p.fields) {
			t.Errorf("%s: %d fields, recorded %d", p.file, len(stored), len(p.fields))
			continue
		}
		for i, f := range p.fields {
			fields++
			for j, want := range f {
				cells++
				if have := stored[i][j]; want == "" && have != nil || want != "" && (have == nil || *have != want) {
					t.Errorf("%s: field %s, %s: %s, recorded %q", p.file, f.name(), attributes()[j], show(have), shorten(want))
				}
			}
		}
	}
	t.Logf("fields %d, cells %d", fields, cells)
}
