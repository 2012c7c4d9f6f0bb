package redcap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// small makes a project of a shape with few records.
func small(kind fake.SpecKind, records int) *fake.Project {
	return fake.Synthetic(fake.Spec{Kind: kind, Records: records, Fields: 12, Forms: 3, Surveys: true, DAGs: 2, Missing: true, Misfits: 5})
}

// data matches exports of records; the look at the columns is one with a single id that no project has.
func data(r fake.Request) bool {
	return r.Content == "record" && r.Format == "csv" && r.IDs > 0 && r.Params.Get("records[0]") != noRecord
}

func ids(r fake.Request) bool { return r.Content == "record" && r.Format == "json" }

// contents are the rows of every table, for comparison.
func (s *store) contents() map[string]map[string]map[string]string {
	all := map[string]map[string]map[string]string{}
	for name, t := range s.tables {
		all[name] = t.rows
	}
	return all
}

// TestHostileAnswersDeleteNothing is the table of what servers, proxies and people do to record exports (reference
// 2.4). The project is pulled once, then again with the fault. Whatever comes of it, what is stored stays.
func TestHostileAnswersDeleteNothing(t *testing.T) {
	once, always := 1, 0
	tests := []struct {
		name  string
		fault fake.Fault
		want  extract.Kind // empty: the pull succeeds and nothing has changed
	}{
		{"R1 maintenance page for ever", fake.Fault{Kind: fake.Page, Match: data, Times: always}, extract.KindGarbled},
		{"R1 login page for the list", fake.Fault{Kind: fake.LoginPage, Match: ids, Times: always}, extract.KindGarbled},
		{"R2 error with status 200", fake.Fault{Kind: fake.ErrorAs200, Match: data, Times: always}, extract.KindGarbled},
		{"R2 empty list", fake.Fault{Kind: fake.NoRecords, Match: ids, Times: always}, extract.KindGarbled},
		{"R2 empty body for the list", fake.Fault{Kind: fake.Empty, Match: ids, Times: always}, extract.KindGarbled},
		{"R2 empty body for the list once", fake.Fault{Kind: fake.Empty, Match: ids, Times: once}, ""},
		{"R2 empty body once", fake.Fault{Kind: fake.Empty, Match: data, Times: once}, ""},
		{"R2 white space once", fake.Fault{Kind: fake.Blank, Match: data, Times: once}, ""},
		{"R2 header without records for ever", fake.Fault{Kind: fake.NoRecords, Match: data, Times: always}, extract.KindGarbled},
		{"R3 records missing once", fake.Fault{Kind: fake.DropIDs, N: 4, Match: data, Times: once}, ""},
		{"R3 a record missing for ever", fake.Fault{Kind: fake.DropIDs, IDs: []string{"7"}, Match: data, Times: always}, extract.KindGarbled},
		{"R4 firewall against many ids", fake.Fault{Kind: fake.ForbidIDs, N: 30, Match: data}, ""},
		{"R4 firewall against everything", fake.Fault{Kind: fake.ForbidIDs, N: 0, Match: data}, extract.KindRights},
		{"R4 out of memory above few ids", fake.Fault{Kind: fake.Memory, Match: func(r fake.Request) bool { return data(r) && r.IDs > 9 }}, ""},
		{"R4 out of memory with status 200", fake.Fault{Kind: fake.MemoryAs200, Match: func(r fake.Request) bool { return data(r) && r.IDs > 9 }}, ""},
		{"R4 out of memory for ever", fake.Fault{Kind: fake.Memory, Match: data}, extract.KindTooLarge},
		{"R4 gateway timeout above few ids", fake.Fault{Kind: fake.Status, N: 504, Match: func(r fake.Request) bool { return data(r) && r.IDs > 9 }}, ""},
		{"R5 token refused", fake.Fault{Kind: fake.TokenRefused, Match: data}, extract.KindAuth},
		{"R6 cut with a wrong length", fake.Fault{Kind: fake.LongLength, N: 10, Match: data, Times: once}, ""},
		{"R6 connection reset", fake.Fault{Kind: fake.Reset, N: 300, Match: data, Times: once}, ""},
		{"R6 list cut", fake.Fault{Kind: fake.Truncate, N: -5, Match: ids, Times: always}, extract.KindGarbled},
		{"R7 byte order mark", fake.Fault{Kind: fake.BOM, Match: data}, ""},
		{"R7 CR LF", fake.Fault{Kind: fake.CRLF, Match: data}, ""}, // also inside of values, where it is kept
		{"R7 no header", fake.Fault{Kind: fake.NoHeader, Match: data}, extract.KindGarbled},
		{"R7 more cells than columns", fake.Fault{Kind: fake.ExtraColumn, Match: data}, extract.KindDrift},
		{"R1 fatal error of PHP once", fake.Fault{Kind: fake.FatalPage, Match: data, Times: once}, ""},
		{"R1 notice of PHP for ever", fake.Fault{Kind: fake.Notice, Match: data}, extract.KindGarbled},
		{"R2 database down once", fake.Fault{Kind: fake.MySQL, Match: data, Times: once}, ""},
		{"R2 an object where a list belongs", fake.Fault{Kind: fake.ObjectAnswer, Match: ids}, extract.KindGarbled},
		{"R2 bytes of no format", fake.Fault{Kind: fake.Garbage, Match: data}, extract.KindGarbled},
		{"R19 redirect", fake.Fault{Kind: fake.Redirect, Text: "https://elsewhere.example.org/api/", Match: data}, extract.KindRedirect},
		{"R20 busy once", fake.Fault{Kind: fake.Status, N: 503, RetryAfter: "1", Match: data, Times: once}, ""},
	}
	for _, test := range tests {
		for _, kind := range []fake.SpecKind{fake.Classic, fake.Mixed} {
			t.Run(fmt.Sprintf("%s/%d", test.name, kind), func(t *testing.T) {
				t.Parallel()
				p := small(kind, 60)
				server, url := serve(t, fake.Options{}, p)
				s := newStore(t)
				mustPull(t, source(t, url, p.Token()), s)
				before, live := cloned(s.contents()), s.count(".redcap_record")
				if live != 60 {
					t.Fatalf("stored %d records, want 60", live)
				}
				server.Fault(test.fault)
				_, _, err := pullInto(t, source(t, url, p.Token()), s)
				switch {
				case test.want == "" && err != nil:
					t.Errorf("pull: %v, want it to get through", err)
				case test.want != "" && (err == nil || extract.KindOf(err) != test.want):
					t.Errorf("pull: %v (%s), want an error of kind %s", err, extract.KindOf(err), test.want)
				}
				if diff := cmp.Diff(before, s.contents(), lineEnds(test.fault.Kind)); diff != "" {
					t.Errorf("what is stored changed:\n%s", diff)
				}
				if len(s.vanished) > 0 {
					t.Errorf("vanished %d, want none", len(s.vanished))
				}
				if want := len(test.fault.IDs); want > 0 && len(s.rejects) != want {
					t.Errorf("rejects %d, want the %d records that were not returned", len(s.rejects), want)
				}
				for _, r := range s.rejects {
					if r.Rule != ruleNotReturned || test.fault.Kind != fake.DropIDs && test.fault.Kind != fake.NoRecords {
						t.Errorf("a reject: %s", r.Rule)
					}
				}
				if err != nil && strings.Contains(err.Error(), p.Token()) {
					t.Error("the error shows the token")
				}
				if err := server.ReadOnly(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// lineEnds compares texts without carriage returns where the fault puts them into values, too.
func lineEnds(kind fake.Kind) cmp.Option {
	return cmp.FilterValues(func(a, b string) bool { return kind == fake.CRLF }, cmp.Comparer(func(a, b string) bool {
		return strings.ReplaceAll(a, "\r", "") == strings.ReplaceAll(b, "\r", "")
	}))
}

func cloned(all map[string]map[string]map[string]string) map[string]map[string]map[string]string {
	out := map[string]map[string]map[string]string{}
	for name, rows := range all {
		out[name] = map[string]map[string]string{}
		for k, v := range rows {
			out[name][k] = v
		}
	}
	return out
}

func TestAnAnswerCutAnywhereNeverCostsHalfARecord(t *testing.T) {
	for _, kind := range []fake.SpecKind{fake.Classic, fake.Longitudinal, fake.Repeating, fake.Mixed} {
		p := fake.Synthetic(fake.Spec{Kind: kind, Records: 6, Fields: 6, Forms: 3})
		server, url := serve(t, fake.Options{}, p)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token()), s)
		want := cloned(s.contents())
		size := int64(0)
		for _, r := range server.Requests() {
			if data(r) {
				size = max(size, r.ResponseBytes)
			}
		}
		step := int64(13)
		if kind == fake.Mixed {
			step = 1
		}
		for cut := int64(0); cut < size; cut += step {
			disarm := server.Fault(fake.Fault{Kind: fake.Truncate, N: int(cut), Match: data, Times: 1})
			if _, _, err := pullInto(t, source(t, url, p.Token()), s); err != nil {
				t.Fatalf("kind %d, cut after %d of %d bytes: %v", kind, cut, size, err)
			}
			disarm()
			if diff := cmp.Diff(want, s.contents()); diff != "" {
				t.Fatalf("kind %d, cut after %d of %d bytes, what is stored changed:\n%s", kind, cut, size, diff)
			}
		}
		t.Logf("kind %d: %d offsets", kind, size)
	}
}
