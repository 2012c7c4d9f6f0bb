package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	fake "syncd/internal/fake/redcap"
)

// change alters the project before the run.
func change(do func(p *fake.Project) error) func(*testing.T, *scene) {
	return func(t *testing.T, sc *scene) {
		if err := do(sc.project); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered are the names of the first n records.
func numbered(n int) (ids []string) {
	for i := 1; i <= n; i++ {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

func deleteAll(ids []string) func(p *fake.Project) error {
	return func(p *fake.Project) (err error) {
		for _, id := range ids {
			err = errors.Join(err, p.Delete(id))
		}
		return err
	}
}

// hostileChanges are R2, R9, R14, R17 and R23: people at the source do what people do, before the run and in its middle.
func hostileChanges() []hostileCase {
	field := fake.Field{Name: "appeared", Form: "form_1", Type: "text", Label: "Appeared"}
	erase := func(p *fake.Project) error { p.EraseAll(); return nil }
	both := func(row, name string, o outcome, gone []string, arrange func(*testing.T, *scene)) hostileCase {
		return hostileCase{row: row, name: name, kind: fake.Mixed, full: o, empty: o, gone: gone, arrange: arrange, changed: true}
	}
	cases := []hostileCase{
		{row: "R2", name: "erased project", kind: fake.Mixed, full: held(), empty: done(), changed: true, arrange: change(erase), check: nothingStored},
		{
			row: "R2", name: "erased in the middle", kind: fake.Mixed, full: held(), empty: held(), changed: true, refused: -1,
			arrange: during(asksData, 2, erase),
		},
		{row: "R2", name: "21 of 60 records deleted", kind: fake.Mixed, full: held(), empty: done(), changed: true, arrange: change(deleteAll(numbered(21)))},
		both("R2", "20 records deleted", done(), numbered(20), change(deleteAll(numbered(20)))),
		both("R14", "a record deleted before it is read", done(), []string{"59"}, during(asksData, 2, deleteAll([]string{"59"}))),
		both("R14", "a record deleted after it was read", done(), []string{"3"}, during(asksData, 2, deleteAll([]string{"3"}))),
		both("R14", "renamed", done(), []string{"5"}, change(func(p *fake.Project) error { return p.Rename("5", "5-renamed") })),
		both("R14", "renamed in the middle", done(), []string{"5"}, during(asksData, 2, func(p *fake.Project) error { return p.Rename("5", "5-renamed") })),
		both("R14", "deleted and made again", done(), []string{"5"}, change(again("5"))),
		both("R14", "deleted and made again in the middle", done(), []string{"5"}, during(asksData, 2, again("5"))),
		both("R14", "moved between groups", done(), nil, change(func(p *fake.Project) error { return p.SetGroup("5", "site_b") })),
		both("R14", "instances with gaps", done(), nil, change(gaps)),
		both("R9", "a field appears between structure and records", done(), nil, during(asksData, 1, func(p *fake.Project) error { return p.AddField(field) })),
		both("R9", "a field appears in the middle", done(), nil, during(asksData, 2, func(p *fake.Project) error { return p.AddField(field) })),
		both("R9", "a field vanishes in the middle", done(), nil, during(asksData, 2, func(p *fake.Project) error { return p.RemoveField(lastField(p)) })),
		both("R9", "a field turns to text in the middle", done(), nil, during(asksData, 2, func(p *fake.Project) error {
			return p.ChangeField(lastField(p), func(f *fake.Field) { f.Type, f.Validation, f.Choices, f.Min, f.Max = "text", "", "", "", "" })
		})),
		both("R9", "an instrument vanishes", done(), nil, change(func(p *fake.Project) error { return p.RemoveForm("form_3") })),
		both("R9", "an instrument is renamed", done(), nil, change(func(p *fake.Project) error { return p.RenameForm("form_3", "form_three") })).calling("form_3", "form_three"),
		both("R9", "the record id field is renamed", done(), nil, nil),
		both("R9", "an event appears in the middle", done(), nil, during(asksData, 2, func(p *fake.Project) error {
			_, err := p.AddEvent("Late visit", 1, "form_1")
			return err
		})),
		both("R9", "fields that change with every look", failedAs("drift"), nil, flapping),
		both("R23", "an identifier that was none, kept out by the job", done(), nil, nil),
		both("R17", "server's clock an hour ahead", done(), nil, nil),
		both("R17", "server's clock a day behind", done(), nil, nil),
	}
	for i := range cases {
		switch c := &cases[i]; c.name {
		case "server's clock an hour ahead":
			c.options.Clock, c.changed = func() time.Time { return time.Now().Add(time.Hour) }, false
		case "server's clock a day behind":
			c.options.Clock, c.changed = func() time.Time { return time.Now().Add(-24 * time.Hour) }, false
		case "an identifier that was none, kept out by the job":
			c.job = "identifiers = \"skip\""
			c.arrange = change(func(p *fake.Project) error {
				return p.ChangeField(lastField(p), func(f *fake.Field) { f.Identifier = "y" })
			})
			c.blank, c.check = anyColumn, emptied
		case "the record id field is renamed":
			c.arrange = change(func(p *fake.Project) error { return p.RenameField("record_id", "study_id") })
			c.blank, c.check = func(column string) bool { return column == "record_id" }, renamedID
		}
		if cases[i].arrange == nil {
			cases[i].arrange = func(*testing.T, *scene) {}
		}
	}
	return cases
}

// again deletes a record and makes another of its name.
func again(id string) func(p *fake.Project) error {
	return func(p *fake.Project) error {
		return errors.Join(p.Delete(id), p.AddRecord(id, map[string]string{"form_1_complete": "2"}))
	}
}

// gaps leaves instances 2 and 7 of a repeating form, without those between.
func gaps(p *fake.Project) error {
	var err error
	for _, n := range []int{2, 7, 5000} {
		err = errors.Join(err, p.SetMany("5", fake.Place{Event: "visit_1_arm_1", Instrument: "form_2", Instance: n}, map[string]string{"form_2_complete": "1"}))
	}
	return err
}

func lastField(p *fake.Project) string {
	fields := p.Fields()
	return fields[len(fields)-1].Name
}

// flapping gives the project another field before every export, so that no two answers agree.
func flapping(t *testing.T, sc *scene) {
	n := 0
	sc.server.Fault(fake.Fault{Match: asksData, Do: func() {
		n++
		if err := sc.project.AddField(fake.Field{Name: fmt.Sprintf("flap_%d", n), Form: "form_1", Type: "text", Label: "Flap"}); err != nil {
			t.Error(err)
		}
	}})
}

func anyColumn(string) bool { return true } // of identifiers there are several; emptied looks at what is left

func renamedID(t *testing.T, holds contents) {
	t.Helper()
	if row := holds["ward.form_1"]["5|enrollment_arm_1|1"]; row["study_id"] != "5" {
		t.Error("the record id did not move to the column of its new name")
	}
}

// emptied checks that the column of an identifier that the job keeps out is there and holds nothing.
func emptied(t *testing.T, holds contents) {
	t.Helper()
	spec := fake.Synthetic(hostileSpec(fake.Mixed))
	column := lastField(spec)
	forms := slices.Collect(func(yield func(string) bool) {
		for name := range holds.live() {
			if !yield(name) {
				return
			}
		}
	})
	for _, name := range forms {
		for key, row := range holds[name] {
			if row[column] != nil {
				t.Fatalf("%s %s: an identifier is stored that the job keeps out", name, key)
			}
		}
	}
}
