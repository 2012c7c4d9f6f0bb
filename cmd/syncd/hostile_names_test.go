package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	fake "syncd/internal/fake/redcap"
)

// hostileNames are R10, R11 and R18: what dictionaries call things, how many, and how much comes at once.
func hostileNames() []hostileCase {
	long := strings.Repeat("long_name_", 10)
	names := []string{
		long + "a", long + "b", long + "c", "xmin", "ctid", "tableoid", "user", "select", "order", "Order", "ORDER", "1abc", "_run_id", "_fingerprint", "_retired_x",
		"feld_größe", "emoji_😀", `"; DROP SCHEMA ward CASCADE; --`, "a\"b", "a.b", "a b", "a'b", "$1", "%s", "redcap_event_name_", "named_complete_",
	}
	many := make([]fake.Field, 1700)
	for i := range many {
		many[i] = fake.Field{Name: fmt.Sprintf("f_%d", i), Form: "wide", Type: "text", Label: "F"}
	}
	var options []string
	for i := range 1000 {
		options = append(options, fmt.Sprintf("%d, Option %d", i, i))
	}
	// The server tells these columns apart as it likes: some are the same name twice.
	colliding := "-1, Minus | 1, One | 01, Zero one | 1.0, One point | 1_0, Line | A, Upper | a, Lower | a-b, Hyphen | a b, Space | ä, Umlaut"
	form := func(name string, fields ...fake.Field) func(*testing.T, *scene) {
		return change(func(p *fake.Project) error { return p.AddForm(fake.Form{Name: name}, fields...) })
	}
	var odd []fake.Field
	for _, n := range names {
		odd = append(odd, fake.Field{Name: n, Form: "named", Type: "text", Label: "Odd"})
	}
	c := func(row, name string, arrange func(*testing.T, *scene), check func(*testing.T, contents)) hostileCase {
		return hostileCase{row: row, name: name, arrange: arrange, check: check, full: done(), empty: done(), changed: true}
	}
	return []hostileCase{
		c("R10", fmt.Sprintf("%d hostile field names", len(names)), func(t *testing.T, sc *scene) {
			form("named", odd...)(t, sc)
			values := map[string]string{"named_complete": "2"}
			for i, n := range names {
				values[n] = fmt.Sprint("value ", i)
			}
			if err := sc.project.SetMany("1", fake.Place{}, values); err != nil {
				t.Fatal(err)
			}
		}, holdsEach("ward.named", "1||1", len(names))),
		c("R10", "hostile instrument names", change(func(p *fake.Project) (err error) {
			for _, n := range []string{"redcap_record", long + "x", long + "y", "user", "Ümlaut", `x"; DROP SCHEMA syncd; --`, "form_1__2", "pg_class"} {
				err = errors.Join(err, p.AddForm(fake.Form{Name: n}, fake.Field{Name: fmt.Sprintf("in_%d", len(n)*100+int(n[0])+int(n[len(n)-1])), Type: "text", Label: "In"}))
			}
			return err
		}), nil),
		c("R11", "1,700 fields in one instrument", form("wide", many...), nil),
		c("R11", "a checkbox of 1,000 options", func(t *testing.T, sc *scene) {
			form("boxes", fake.Field{Name: "box", Type: "checkbox", Choices: strings.Join(options, " | "), Label: "Box"})(t, sc)
			if err := sc.project.SetMany("1", fake.Place{}, map[string]string{"box(999)": "1", "box(0)": "1", "boxes_complete": "2"}); err != nil {
				t.Fatal(err)
			}
		}, ticked("box___999", "box___0")),
		c("R11", "checkbox codes that collide", func(t *testing.T, sc *scene) {
			form("boxes", fake.Field{Name: "box", Type: "checkbox", Choices: colliding, Label: "Box"})(t, sc)
			if err := sc.project.SetMany("1", fake.Place{}, map[string]string{"box(1)": "1", "box(A)": "1", "boxes_complete": "2"}); err != nil {
				t.Fatal(err)
			}
		}, ticked("box___1")),
		{row: "R18", name: "an answer of 70 MB where a list of instruments belongs", kind: fake.Classic, full: failedAs("too_large"), empty: failedAs("too_large"), arrange: flood},
	}
}

// holdsEach checks that a row holds the values 0 to n-1, each in a column of its own.
func holdsEach(table, key string, n int) func(*testing.T, contents) {
	return func(t *testing.T, holds contents) {
		t.Helper()
		found := map[any]bool{}
		for _, v := range holds[table][key] {
			found[v] = true
		}
		for i := range n {
			if !found[fmt.Sprint("value ", i)] {
				t.Errorf("value %d is in no column", i)
			}
		}
	}
}

// ticked checks that boxes are ticked, and as many as that.
func ticked(columns ...string) func(*testing.T, contents) {
	return func(t *testing.T, holds contents) {
		t.Helper()
		for _, c := range columns {
			found := false
			for name, rows := range holds.live() {
				found = found || strings.HasPrefix(name, "ward.boxes") && rows["1||1"][c] == true
			}
			if !found {
				t.Errorf("%s is not ticked", c)
			}
		}
	}
}

// flood answers with white space without end, as far as anybody reads.
func flood(_ *testing.T, sc *scene) {
	chunk := []byte(strings.Repeat(" ", 1<<20))
	sc.front = func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		if form.Get("content") != "instrument" {
			return false
		}
		for range 70 {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		return true
	}
}
