package main

import (
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"syncd/internal/fake/redcap"
)

// changeFake changes a project at the source, or asks the source what was asked of it.
func changeFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: fake VERB ...")
	}
	w := of(ts)
	switch verb, args := args[0], args[1:]; verb {
	case "reads-only":
		ts.Check(w.fake.ReadOnly())
	case "set":
		p := w.projects[args[0]]
		ts.Check(p.Set(args[1], "", "", 0, freeText(p, args[2]), args[3]))
	case "delete":
		ts.Check(w.projects[args[0]].Delete(args[1]))
	case "delete-half":
		for i := 1; i <= 30; i++ {
			ts.Check(w.projects[args[0]].Delete(strconv.Itoa(i)))
		}
	case "erase":
		w.projects[args[0]].EraseAll()
	case "empty":
		for _, id := range w.projects[args[0]].Records() {
			ts.Check(w.projects[args[0]].DeleteTraceless(id))
		}
	case "bind": // the token's user is put into the group of the record
		p := w.projects[args[0]]
		group := p.AddDAG("Ward of one")
		ts.Check(p.SetGroup(args[1], group))
		p.Rights(func(u *redcap.User) { u.DAG = group })
	case "hide": // an instrument of which nothing is exported any more
		w.projects[args[0]].Rights(func(u *redcap.User) { u.Forms[args[1]] = redcap.ExportNone })
	case "user":
		w.projects[args[0]].Rights(func(u *redcap.User) { u.Name = args[1] })
	case "no-log":
		w.projects[args[0]].Rights(func(u *redcap.User) { u.Logging = false })
	case "token":
		w.projects[args[0]].SetToken(args[1])
	case "upgrade":
		w.fake.Upgrade(args[0])
	case "rename":
		ts.Check(w.projects[args[0]].Rename(args[1], args[2]))
	default:
		ts.Fatalf("fake %s: not known", verb)
	}
}

// freeText names a field that takes any text; "note" in a script stands for the first of them.
func freeText(p *redcap.Project, name string) string {
	if name != "note" {
		return name
	}
	for _, f := range p.Fields() {
		if f.Form == "form_1" && f.Name != p.RecordField() && (f.Type == "notes" || f.Type == "text" && f.Validation == "") {
			return f.Name
		}
	}
	return name
}
