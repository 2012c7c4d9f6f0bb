package main

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	fake "syncd/internal/fake/redcap"
)

// during changes the project right before the nth request that match finds.
func during(match func(fake.Request) bool, nth int, change func(p *fake.Project) error) func(*testing.T, *scene) {
	return func(t *testing.T, sc *scene) {
		sc.server.Fault(fake.Fault{Match: match, After: nth - 1, Times: 1, Do: func() {
			if err := change(sc.project); err != nil {
				t.Error(err)
			}
		}})
	}
}

// rights changes the rights of the token's user before the run.
func rights(change func(u *fake.User)) func(*testing.T, *scene) {
	return func(_ *testing.T, sc *scene) { sc.project.Rights(change) }
}

// rightsDuring changes them in the middle of it.
func rightsDuring(change func(u *fake.User)) func(*testing.T, *scene) {
	return during(asksData, 2, func(p *fake.Project) error { p.Rights(change); return nil })
}

// hostileRights are R5 and R21: the token can do less than it could, or opens another project.
func hostileRights() []hostileCase {
	noAPI := func(u *fake.User) { u.APIExport = false }
	bound := func(u *fake.User) { u.DAG = "site_a" }
	noForm := func(u *fake.User) { u.Forms["form_2"] = fake.ExportNone }
	noForms := func(u *fake.User) {
		for i := 1; i <= 3; i++ {
			u.Forms[fmt.Sprintf("form_%d", i)] = fake.ExportNone
		}
	}
	hashed := func(u *fake.User) { u.Forms["form_2"] = fake.ExportDeidentified }
	noIdentifiers := func(u *fake.User) { u.Forms["form_1"] = fake.ExportWithoutIdentifer }
	noDAGs := func(u *fake.User) { u.DAGs = false }
	noDesign := func(u *fake.User) { u.Design = false }
	less := func(row, name string, arrange func(*testing.T, *scene), full, empty outcome, refused int) hostileCase {
		return hostileCase{row: row, name: name, kind: fake.Mixed, arrange: arrange, full: full, empty: empty, changed: true, refused: refused}
	}
	return []hostileCase{
		{row: "R5", name: "API export right removed", kind: fake.Mixed, arrange: rights(noAPI), full: failedAs("auth"), empty: failedAs("auth")},
		{row: "R5", name: "API export right removed in the middle", kind: fake.Mixed, arrange: rightsDuring(noAPI), full: failedAs("auth"), empty: failedAs("auth")},
		less("R5", "an instrument without access", rights(noForm), done(), done(), 0),
		less("R5", "an instrument without access from the middle on", rightsDuring(noForm), done(), done(), 0),
		less("R5", "no instrument with access", rights(noForms), done(), done(), 0),
		less("R5", "identifiers taken away", rights(noIdentifiers), done(), done(), 0),
		less("R5", "group right taken away", rights(noDAGs), done(), done(), 0),
		less("R5", "group right taken away in the middle", rightsDuring(noDAGs), done(), done(), 0),
		less("R5", "design right taken away", rights(noDesign), done(), done(), 0),
		less("R5", "de-identified exports", rights(hashed), failedAs("rights"), failedAs("rights"), 0),
		less("R5", "de-identified exports from the middle on", rightsDuring(hashed), failedAs("rights"), failedAs("rights"), 0),
		less("R5", "token moved into a group", rights(bound), held(), done(), -1),
		less("R5", "token moved into a group in the middle", rightsDuring(bound), held(), done(), -1),
		less("R5", "token moved into a group that lacks few records", moveFew, held(), done(), -1),
		{
			row: "R5", name: "token of nobody", kind: fake.Classic, full: failedAs("auth"), empty: failedAs("auth"),
			arrange: func(t *testing.T, sc *scene) { sc.write(t, "token", "00000000000000000000000000000000") },
		},
		{
			row: "R5", name: "token of 64 digits", kind: fake.Classic, full: outcome{exitUsage, "failed", "config"}, empty: outcome{exitUsage, "failed", "config"},
			arrange: func(t *testing.T, sc *scene) { sc.write(t, "token", sc.token+sc.token) },
		},
		{
			row: "R21", name: "token of another project", kind: fake.Mixed, full: held(), empty: done(), changed: true,
			arrange: func(_ *testing.T, sc *scene) { sc.project.Retitle(8, "Ward") },
		},
		{
			row: "R21", name: "same project under another title", kind: fake.Mixed, full: done(), empty: done(), changed: true,
			arrange: func(_ *testing.T, sc *scene) { sc.project.Retitle(7, "Ward, renamed") },
		},
		{
			row: "R21", name: "another project from the middle on", kind: fake.Mixed, full: held(), empty: held(), changed: true,
			arrange: swapped,
		},
	}
}

// moveFew puts the token into a group that all but ten records are in: fewer than the brake would hold.
func moveFew(t *testing.T, sc *scene) {
	for i, id := range sc.project.Records() {
		group := "site_a"
		if i < 10 {
			group = "site_b"
		}
		if err := sc.project.SetGroup(id, group); err != nil {
			t.Fatal(err)
		}
	}
	sc.project.Rights(func(u *fake.User) { u.DAG = "site_a" })
}

// swapped lets the token open another project, of other shape and records, from the second export on.
func swapped(_ *testing.T, sc *scene) {
	other := fake.Synthetic(fake.Spec{Kind: fake.Mixed, Records: 40, Fields: 18, Forms: 3, ID: 8, Title: "Other", DAGs: 1})
	other.SetToken(sc.token)
	server := fake.NewServer(fake.Options{})
	server.Add(other)
	exports := 0
	sc.front = func(w http.ResponseWriter, r *http.Request, form url.Values) bool {
		if form.Has("records[1]") {
			exports++
		}
		if exports < 2 {
			return false
		}
		server.ServeHTTP(w, r)
		return true
	}
}
