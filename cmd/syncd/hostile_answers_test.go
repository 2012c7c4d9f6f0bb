package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	fake "syncd/internal/fake/redcap"
)

// The three requests for records that a run makes.
func asksData(r fake.Request) bool {
	return r.Content == "record" && r.Format == "csv" && r.IDs > 0 && !asksColumns(r)
}

func asksList(r fake.Request) bool { return r.Content == "record" && r.Format == "json" }

func asksRecords(r fake.Request) bool { return r.Content == "record" && !asksColumns(r) }

func asksColumns(r fake.Request) bool {
	return r.Content == "record" && r.IDs == 1 && r.Params.Get("records[0]") == noSuchRecord
}

// noSuchRecord is what a run asks for to see the columns of an export.
const noSuchRecord = "syncd-asks-for-the-columns-only"

// faulty arms one fault.
func faulty(f fake.Fault) func(*testing.T, *scene) {
	return func(_ *testing.T, sc *scene) { sc.server.Fault(f) }
}

// hostileAnswers are R1 to R7 and R18 to R20: the project is well, what comes over the wire is not.
func hostileAnswers() (cases []hostileCase) {
	once := 1
	add := func(row, name string, f fake.Fault, o outcome) {
		for _, kind := range []fake.SpecKind{fake.Classic, fake.Mixed} {
			if kind == fake.Classic && len(cases)%3 != 0 { // every case on events and repeats, a third on one row per record
				continue
			}
			cases = append(cases, hostileCase{row: row, name: name, kind: kind, arrange: faulty(f), full: o, empty: o})
		}
	}
	add("R1", "maintenance page for every export", fake.Fault{Kind: fake.Page, Match: asksData}, failedAs("garbled"))
	add("R1", "maintenance page once", fake.Fault{Kind: fake.Page, Match: asksData, Times: once}, failedAs("garbled"))
	add("R1", "maintenance page from the second export on", fake.Fault{Kind: fake.Page, Match: asksData, After: 1}, failedAs("garbled"))
	add("R1", "login page for the list of ids", fake.Fault{Kind: fake.LoginPage, Match: asksList}, failedAs("garbled"))
	add("R1", "login page for the last list of ids", fake.Fault{Kind: fake.LoginPage, Match: asksList, After: 1}, failedAs("garbled"))
	add("R1", "fatal error of PHP once", fake.Fault{Kind: fake.FatalPage, Match: asksData, Times: once}, done())
	add("R1", "notice of PHP before every export", fake.Fault{Kind: fake.Notice, Match: asksData}, failedAs("garbled"))
	add("R2", "error with status 200", fake.Fault{Kind: fake.ErrorAs200, Match: asksData}, failedAs("garbled"))
	add("R2", "empty body for every export", fake.Fault{Kind: fake.Empty, Match: asksData}, failedAs("garbled"))
	add("R2", "empty body once", fake.Fault{Kind: fake.Empty, Match: asksData, Times: once}, done())
	add("R2", "white space once", fake.Fault{Kind: fake.Blank, Match: asksData, Times: once}, done())
	add("R2", "empty body for the list", fake.Fault{Kind: fake.Empty, Match: asksList}, failedAs("garbled"))
	add("R2", "header without records", fake.Fault{Kind: fake.NoRecords, Match: asksData}, failedAs("garbled"))
	add("R2", "object instead of a list", fake.Fault{Kind: fake.ObjectAnswer, Match: asksList}, failedAs("garbled"))
	add("R2", "bytes of no format", fake.Fault{Kind: fake.Garbage, Match: asksData}, failedAs("garbled"))
	add("R2", "database down once", fake.Fault{Kind: fake.MySQL, Match: asksData, Times: once}, done())
	add("R3", "records missing once", fake.Fault{Kind: fake.DropIDs, N: 4, Match: asksData, Times: once}, done())
	add("R3", "one record never returned", fake.Fault{Kind: fake.DropIDs, IDs: []string{"7"}, Match: asksData}, failedAs("garbled"))
	add("R3", "last of every answer missing", fake.Fault{Kind: fake.DropIDs, N: 1, Match: asksData}, failedAs("garbled"))
	add("R4", "firewall above 30 ids", fake.Fault{Kind: fake.ForbidIDs, N: 30, Match: asksData}, done())
	add("R4", "firewall against every id", fake.Fault{Kind: fake.ForbidIDs, Match: asksData}, failedAs("rights"))
	add("R4", "out of memory above 9 ids", fake.Fault{Kind: fake.Memory, Match: many}, done())
	add("R4", "out of memory with status 200 above 9 ids", fake.Fault{Kind: fake.MemoryAs200, Match: many}, done())
	add("R4", "out of memory at every id", fake.Fault{Kind: fake.Memory, Match: asksData}, failedAs("too_large"))
	add("R4", "gateway timeout above 9 ids", fake.Fault{Kind: fake.Status, N: 504, Match: many}, done())
	add("R4", "server error for ever", fake.Fault{Kind: fake.Status, N: 500, Match: asksData}, failedAs("transient"))
	add("R5", "token refused in the middle", fake.Fault{Kind: fake.TokenRefused, Match: asksData, After: 1}, failedAs("auth"))
	add("R6", "wrong length once", fake.Fault{Kind: fake.LongLength, N: 10, Match: asksData, Times: once}, done())
	add("R6", "wrong length for ever", fake.Fault{Kind: fake.LongLength, N: 10, Match: asksData}, failedAs("transient"))
	add("R6", "connection reset once", fake.Fault{Kind: fake.Reset, N: 300, Match: asksData, Times: once}, done())
	add("R6", "connection reset in the list for ever", fake.Fault{Kind: fake.Reset, N: 30, Match: asksList}, failedAs("transient"))
	add("R6", "list cut before its end", fake.Fault{Kind: fake.Truncate, N: -5, Match: asksList}, failedAs("garbled"))
	add("R6", "export cut at the end of a line", fake.Fault{Kind: fake.Truncate, N: -1, Match: asksData, Times: once}, done())
	add("R7", "byte order mark", fake.Fault{Kind: fake.BOM, Match: asksRecords}, done())
	add("R7", "CR LF at row ends", fake.Fault{Kind: fake.CRLF, Match: asksData}, done())
	add("R7", "no header", fake.Fault{Kind: fake.NoHeader, Match: asksData}, failedAs("garbled"))
	add("R7", "more cells than columns", fake.Fault{Kind: fake.ExtraColumn, Match: asksData}, failedAs("drift"))
	add("R20", "busy twice", fake.Fault{Kind: fake.Status, N: 503, Match: asksList, Times: 2}, done())
	add("R20", "too many requests, wait a second", fake.Fault{Kind: fake.Status, N: 429, RetryAfter: "1", Match: asksList, Times: once}, done())
	add("R20", "busy for ever", fake.Fault{Kind: fake.Status, N: 503, Match: asksList}, failedAs("transient"))
	return append(append(cases, mangledAnswers()...), emptyEverywhere()...)
}

func many(r fake.Request) bool { return asksData(r) && r.IDs > 9 }

// emptyEverywhere is the project that looks erased in every way of asking: only the brake stands between it and the warehouse.
func emptyEverywhere() []hostileCase {
	all := fake.Fault{Kind: fake.NoRecords, Match: func(r fake.Request) bool { return r.Content == "record" }}
	lists := fake.Fault{Kind: fake.NoRecords, Match: asksList}
	return []hostileCase{
		{row: "R2", name: "empty list, full export", arrange: faulty(lists), full: failedAs("garbled"), empty: done(), changed: true, check: nothingStored, refused: 60},
		{row: "R2", name: "empty list and empty export", arrange: faulty(all), full: held(), empty: done(), changed: true, check: nothingStored, refused: 60, says: ""},
	}
}

func nothingStored(t *testing.T, holds contents) {
	t.Helper()
	if n := len(holds.ids()); n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

// mangledAnswers are what the fake has no switch for.
func mangledAnswers() (cases []hostileCase) {
	add := func(row, name string, o outcome, mangle func(form url.Values, body []byte) []byte) {
		cases = append(cases, hostileCase{row: row, name: name, kind: fake.Mixed, full: o, empty: o, arrange: func(_ *testing.T, sc *scene) { sc.mangle = mangle }})
	}
	export := func(change func(body []byte) []byte) func(url.Values, []byte) []byte {
		return func(form url.Values, body []byte) []byte {
			if form.Get("content") != "record" || form.Get("format") != "csv" || !form.Has("records[0]") || form.Get("records[0]") == noSuchRecord {
				return body
			}
			return change(body)
		}
	}
	add("R7", "semicolons between cells", failedAs("garbled"), export(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(","), []byte(";")) }))
	add("R7", "header twice", done(), export(func(b []byte) []byte {
		head, _, _ := bytes.Cut(b, []byte("\n"))
		return append(append(bytes.Clone(head), '\n'), b...)
	}))
	add("R6", "last row cut in the middle of every answer, closed well", failedAs("garbled"), export(func(b []byte) []byte { return b[:len(b)-8] }))
	add("R9", "columns in another order", done(), export(swapColumns))
	add("R20", "a cookie that must not come back", done(), func(_ url.Values, b []byte) []byte { return b })
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"http://other.example.org/api/", "https://other.example.org/api/", "same", "/elsewhere/"} {
			if status != 307 && (to != "same" || status == 303) {
				continue // 307 would carry the token along: it goes everywhere
			}
			cases = append(cases, hostileCase{
				row: "R19", name: fmt.Sprintf("redirect %d to %s", status, to), kind: fake.Classic, full: failedAs("redirect"), fullOnly: true,
				arrange: func(t *testing.T, sc *scene) { redirectData(t, sc, status, to) },
			})
		}
	}
	return cases
}

// redirectData answers exports with a redirect, and fails the test if anybody follows it.
func redirectData(t *testing.T, sc *scene, status int, to string) {
	asked := 0
	sc.front = func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		if !form.Has("records[1]") {
			return false
		}
		if asked++; asked > 2 { // a second time by a run that starts again, and not once more
			t.Error("a redirect was followed, or asked for again")
		}
		if to == "same" {
			to = "/api/"
		}
		w.Header().Set("Location", to)
		w.WriteHeader(status)
		return true
	}
}

// swapColumns puts the last two columns of an export in each other's place; names tell them apart.
func swapColumns(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i, line := range lines {
		cells := bytes.Split(line, []byte(","))
		if n := len(cells); n > 2 && !bytes.Contains(line, []byte(`"`)) {
			cells[n-1], cells[n-2] = cells[n-2], cells[n-1]
			lines[i] = bytes.Join(cells, []byte(","))
		} else if len(line) > 0 {
			return b // a quoted line: this answer stays as it is
		}
	}
	return bytes.Join(lines, []byte("\n"))
}
