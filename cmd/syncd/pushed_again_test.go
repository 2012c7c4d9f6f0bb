package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract/redox"
)

// poisons are bodies that a sender that is let in may push, and why nothing can be made of them; "" where something is.
var poisons = []struct{ name, body, state, reason string }{
	{"good", string(noteOf(1)), "applied", ""},
	{"cut off", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"9"`, "rejected", "not JSON"},
	{"list", `[{"Meta":{"DataModel":"Notes"}}]`, "rejected", "not a JSON object"},
	{"text", `"Notes"`, "rejected", "not a JSON object"},
	{"nothing", ``, "rejected", "not JSON"},
	{"empty object", `{}`, "rejected", "neither Meta.DataModel nor resourceType"},
	{"two", `{"Meta":{"DataModel":"Notes","EventType":"New"}}{}`, "rejected", "more than one document"},
	{"a name twice", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"9","DocumentID":"8"}}`, "rejected", "duplicate key"},
	{"bytes that are no text", "{\"Meta\":{\"DataModel\":\"Notes\",\"EventType\":\"New\"},\"Note\":{\"DocumentID\":\"\xff\"}}", "rejected", "invalid utf-8"},
	{"deep", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "rejected", "nested too deep"},
	{"unknown model", `{"Meta":{"DataModel":"Horoscope","EventType":"New"}}`, "unhandled", "unknown model"},
	{"unknown event", `{"Meta":{"DataModel":"Notes","EventType":"Sung"}}`, "unhandled", "unknown event type"},
	{"no key", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"FileContents":"x"}}`, "applied", ""},
	{"NUL in a key", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"9\u0000"}}`, "applied", ""},
	{"half a character in a key", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"9\ud800"}}`, "applied", ""},
	{"long key", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"` + strings.Repeat("9", 3000) + `"}}`, "applied", ""},
	{"NUL in a text", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"2","FileContents":"a\u0000b"}}`, "applied", ""},
	{"NUL in a document", `{"Meta":{"DataModel":"Notes","EventType":"New"},"Note":{"DocumentID":"3","Notifications":[{"ID":"a\u0000b"}]},"X":{"y":"\u0000"}}`, "applied", ""},
	{"other shapes", `{"Meta":{"DataModel":"Notes","EventType":"New","Source":7,"Logs":{"ID":1}},"Patient":[1],"Visit":"v","Note":{"DocumentID":4,"Provider":"Pat","Components":{"ID":1}}}`, "applied", ""},
	{"byte order mark", "\ufeff" + string(noteOf(5)), "rejected", "not JSON"},
	{"good at last", string(noteOf(6)), "applied", ""},
}

// TestPoisonHoldsNobodyUp pushes what nothing can be made of among what is well: all is acknowledged and kept, and the others get through.
func TestPoisonHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	for _, p := range poisons {
		w.taken([]byte(p.body), redox.KindPush)
	}
	w.drain()
	for _, p := range poisons {
		got := w.rowsOf("SELECT state, coalesce(reason, '') FROM syncd.delivery WHERE body_sha256 = $1", shaOf([]byte(p.body)))
		if want := p.state + "|" + p.reason; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", p.name, got, want)
		}
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "6"}, w.rowsOf("SELECT document_id FROM ward.note ORDER BY 1")); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	rules := w.rowsOf("SELECT table_name || ': ' || rule FROM syncd.reject WHERE resolved_at IS NULL AND raw LIKE '{%' ORDER BY rule COLLATE \"C\"")
	want := []string{"note: key holds a character that cannot be stored", "note: key holds a character that cannot be stored", "note: key is longer than 1800 bytes", "note: no key"}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("rows that could not be stored (-want +got):\n%s", diff)
	}
}

// rowsWhole is all that the tables hold, what syncd keeps of its own included.
func (w *ward) rowsWhole() string {
	w.t.Helper()
	var all bytes.Buffer
	for table := range pushedTables(w.t, w.w.Pool(), "ward", "ward_history", "ward_deleted") {
		fmt.Fprintln(&all, table, askWard[string](w, "SELECT count(*) || ' ' || coalesce(md5(string_agg(x::text, '' ORDER BY x::text)), '') FROM "+table+" AS x"))
	}
	lines := strings.Split(all.String(), "\n")
	return strings.Join(slices.Sorted(slices.Values(lines)), "\n")
}

// TestReplayRebuildsTheTablesAndTouchesNothingThatIsThere replays all deliveries of a history, first over what they brought, then after it was lost.
func TestReplayRebuildsTheTablesAndTouchesNothingThatIsThere(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	s := newStory(8, 150)
	w.pump(4, len(s.messages), func(b []byte, i int) []byte { return s.tell(b, 0, i) })
	w.drain()
	source := mark(0) + s.source[8:]
	w.holds("ward", s.truth, source)
	before, digest := w.rowsWhole(), w.oneDigest(1)
	replay := func() {
		var said strings.Builder
		m := &Main{Args: []string{"-c", w.cli.config, "replay", "ward", "--from", time.Now().Add(-time.Hour).Format(time.RFC3339)}, Stdout: &said, Stderr: &said, Now: time.Now}
		if code := m.Run(t.Context()); code != exitDone {
			t.Fatalf("replay ended with %d:\n%s", code, said.String())
		}
		if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery WHERE state <> 'applied'"); n != 0 {
			t.Fatalf("%d deliveries are not applied:\n%s", n, said.String())
		}
	}
	replay()
	if diff := cmp.Diff(before, w.rowsWhole()); diff != "" {
		t.Errorf("a replay over what is there (-before +after):\n%s", diff)
	}
	for table := range pushedTables(t, w.w.Pool(), "ward", "ward_history", "ward_deleted") {
		statement(t, w.url, "TRUNCATE "+table)
	}
	replay()
	if got := w.oneDigest(1); got != digest {
		t.Errorf("a replay after all was lost: %s, want %s", got, digest)
	}
	w.holds("ward", s.truth, source)
	if n, all := askWard[int](w, "SELECT sum(deliveries)::integer FROM syncd.traffic"), askWard[int](w, "SELECT count(*) FROM syncd.delivery"); n != all {
		t.Errorf("%d are counted of %d", n, all)
	}
}
