package main

import (
	"errors"
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
	case "furnish": // one of each thing that is pulled by name
		ts.Check(furnish(w.projects[args[0]]))
	case "file":
		ts.Check(w.projects[args[0]].AddFile(args[1], redcap.Place{}, "scan", args[2], []byte(args[3])))
	case "unfile":
		ts.Check(w.projects[args[0]].RemoveFile(args[1], redcap.Place{}, "scan"))
	case "user-gone": // the account is suspended
		w.projects[args[0]].Rights(func(u *redcap.User) { u.APIExport = false })
	case "upgrade":
		w.fake.Upgrade(args[0])
	case "instrument": // a new one, with a value of one record
		p := w.projects[args[0]]
		ts.Check(p.AddForm(redcap.Form{Name: args[1], Label: args[1]}, redcap.Field{Name: args[1] + "_note", Type: "text"}))
		ts.Check(p.Set(args[2], "", "", 0, args[1]+"_note", args[3]))
	case "rename":
		ts.Check(w.projects[args[0]].Rename(args[1], args[2]))
	default:
		ts.Fatalf("fake %s: not known", verb)
	}
}

// furnish gives a project a file field, a report, participants, a user with a role, and a file repository.
func furnish(p *redcap.Project) error {
	p.AddReport(redcap.Report{ID: 12, Title: "Ids", Fields: []string{p.RecordField()}})
	role := p.AddRole(redcap.Role{Label: "Reader", As: redcap.FullRights("reader")})
	p.AddUser(redcap.FullRights("reader"))
	folder, err := p.AddRepositoryFolder(0, "plans", "", "")
	if err == nil {
		_, err = p.AddRepositoryFile(folder, "plan.txt", []byte("the plan"))
	}
	return errors.Join(
		err, p.AddField(redcap.Field{Name: "scan", Form: "form_1", Type: "file"}), p.BindUserToRole("reader", role),
		p.AddParticipant("form_1", "", redcap.Participant{Email: "a@example.edu"}))
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
