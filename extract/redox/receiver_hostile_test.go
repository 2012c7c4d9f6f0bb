package redox

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is a request that nobody sends in good faith, or that somebody might (docs: the table of hostile inputs, H1 to H40).
type hostile struct {
	id, what string
	raw      string
	answers  []int    // statuses, in order; nil where the connection is closed without one
	kept     []string // bodies in the inbox
	keys     []string // of what is kept; nil where they do not matter
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func lines(n int, each string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(each, i)
	}
	return all
}

const hostileMax = 1 << 20 // max_body of this table

func refusedBeforeReading() []hostile {
	ok := arrivalOf("h", "")
	long := strings.Repeat("x", 60_000)
	var all []hostile
	unlet := func(id, what string, lines ...string) {
		all = append(all, hostile{id: id, what: what, raw: request(ok, lines...), answers: []int{401}})
	}
	unlet("H1", "no token", "-Verification-Token")
	all = append(all, hostile{id: "H1", what: "no token, and a body that never comes", raw: request("", "-Verification-Token", "-Content-Length", "Content-Length: 900000", "-Connection"), answers: []int{401}})
	all = append(all, hostile{id: "H1", what: "no token, and a small body that never comes", raw: request("", "-Verification-Token", "-Content-Length", "Content-Length: 9000", "-Connection"), answers: []int{401}})
	for what, token := range map[string]string{
		"same length": strings.Repeat("x", len(goodToken)), "prefix": goodToken[:16], "longer": goodToken + "x", "empty": "", "60 kB": long,
	} {
		unlet("H2", "wrong token: "+what, "-Verification-Token", "Verification-Token: "+token)
		unlet("H2", "wrong bearer: "+what, "-Verification-Token", "Authorization: Bearer "+token)
	}
	all = append(all, hostile{id: "H2", what: "a token of 1 MB is a header of 1 MB (H14)", raw: request(ok, "-Verification-Token", "Verification-Token: "+strings.Repeat("x", 1<<20)), answers: []int{431}})
	unlet("H3", "token in the query", "-Verification-Token", "POST "+hospitalPath+"?verification-token="+goodToken+" HTTP/1.1")
	unlet("H4", "right token, then a wrong one", "Verification-Token: wrong")
	unlet("H4", "wrong token, then the right one", "-Verification-Token", "Verification-Token: wrong", "Verification-Token: "+goodToken)
	unlet("H4", "right token, wrong bearer", "Authorization: Bearer wrong")
	unlet("H6", "a token that was taken off", "-Verification-Token", "Verification-Token: gone"+goodToken)
	unlet("H15", "bad token, and the body waits to be asked for", "-Verification-Token", "Expect: 100-continue")
	for _, m := range []string{"PUT", "DELETE", "TRACE", "OPTIONS", "PATCH", "HEAD", "CONNECT", "BREW"} {
		all = append(all, hostile{id: "H8", what: m, raw: request("", m+" "+hospitalPath+" HTTP/1.1"), answers: []int{405}})
	}
	all = append(
		all,
		hostile{id: "H8", what: "GET without a challenge", raw: request("", "GET "+hospitalPath+" HTTP/1.1"), answers: []int{404}},
		hostile{id: "H8", what: "OPTIONS of everything", raw: request("", "OPTIONS * HTTP/1.1"), answers: []int{404}},
		hostile{id: "H14", what: "1,000 headers", raw: request(ok, lines(1000, "X-%d: y")...), answers: []int{431}},
		hostile{id: "H14", what: "a header of 1 MB", raw: request(ok, "X-Long: "+strings.Repeat("x", 1<<20)), answers: []int{431}},
	)
	for _, target := range []string{
		"/", "/" + hospitalPath, hospitalPath + "/", "/redox/../redox/hospital-7f3c", "/redox/%2e%2e/redox/hospital-7f3c", hospitalPath + "%00", "/Redox/hospital-7f3c",
		"/redox/hospital%2D7f3c", "http://etl.example.org" + hospitalPath, "/etc/passwd", hospitalPath + "/oauth/token", "//evil.example" + hospitalPath,
	} {
		all = append(all, hostile{id: "H37", what: target, raw: request(ok, "POST "+target+" HTTP/1.1"), answers: []int{404}})
	}
	return append(all, hostile{id: "H37", what: "no host", raw: request(ok, "-Host"), answers: []int{400}})
}

// framed are ways to make two parties see different requests. Where net/http puts up with one (a bare LF, a folded line, a length
// beside chunks: RFC 9112 lets a server), one request is seen all the same.
func framed() []hostile {
	ok := arrivalOf("h", "")
	half := ok[:len(ok)-1]
	smuggled := request(arrivalOf("smuggled", ""))
	chunks := []string{"-Content-Length", "Transfer-Encoding: chunked"}
	bare := strings.ReplaceAll(request(ok), "\r\n", "\n")
	return []hostile{
		{id: "H9", what: "a byte too many, announced", raw: request(strings.Repeat(" ", hostileMax+1), "-Connection"), answers: []int{413}},
		{id: "H9", what: "a byte too many, in chunks", raw: request("", append(chunks, "-Connection")...) + chunked(strings.Repeat(" ", hostileMax+1), 60_000), answers: []int{413}},
		{id: "H9", what: "just what is allowed", raw: request(ok + strings.Repeat(" ", hostileMax-len(ok))), answers: []int{200}, kept: []string{ok + strings.Repeat(" ", hostileMax-len(ok))}},
		{id: "H9", what: "in chunks of 7 bytes", raw: request("", chunks...) + chunked(ok, 7), answers: []int{200}, kept: []string{ok}},
		{id: "H11", what: "length smaller than what is sent", raw: request(ok+"GARBAGE", "-Content-Length", fmt.Sprintf("Content-Length: %d", len(ok)), "-Connection"), answers: []int{200, 400}, kept: []string{ok}},
		{id: "H11", what: "two lengths", raw: request(ok, "Content-Length: 3"), answers: []int{400}},
		{id: "H11", what: "length that is no number", raw: request(ok, "-Content-Length", "Content-Length: +3"), answers: []int{400}},
		{id: "H11", what: "length and chunks", raw: request("", "-Content-Length", "Content-Length: 3", "Transfer-Encoding: chunked") + chunked(ok, 50) + smuggled, answers: []int{200}, kept: []string{ok}},
		{id: "H11", what: "xchunked", raw: request(ok, "-Content-Length", "Transfer-Encoding: xchunked"), answers: []int{501}},
		{id: "H11", what: "chunked, identity", raw: request(chunked(ok, 50), "-Content-Length", "Transfer-Encoding: chunked, identity"), answers: []int{501}},
		{id: "H11", what: "chunked twice", raw: request(chunked(ok, 50), append(chunks, "Transfer-Encoding: chunked")...), answers: []int{501}},
		{id: "H11", what: "bare LF", raw: bare, answers: []int{200}, kept: []string{ok}},
		{id: "H11", what: "folded line", raw: request(ok, "X-Folded: a\r\n b"), answers: []int{200}, kept: []string{ok}},
		{id: "H11", what: "space before colon", raw: request(ok, "X-Space : a"), answers: []int{400}},
		{id: "H11", what: "CR in a header", raw: request(ok, "X-CR: a\rb"), answers: []int{400}},
		{id: "H11", what: "NUL in a header", raw: request(ok, "X-NUL: a\x00b"), answers: []int{400}},
		{id: "H11", what: "chunk size overflows", raw: request("fffffffffffffffff\r\n"+ok, chunks...), answers: []int{400}},
		{id: "H11", what: "chunk size is negative", raw: request("-5\r\n"+ok, chunks...), answers: []int{400}},
		{id: "H11", what: "chunk extension of 1 MB", raw: request("5;"+strings.Repeat("x", 1<<20)+"\r\n"+half+"\r\n0\r\n\r\n", chunks...), answers: []int{400}},
		{id: "H11", what: "chunk without its end", raw: request("3\r\n"+ok+"\r\n0\r\n\r\n", chunks...), answers: []int{400}},
		{id: "H15", what: "good token, and the body waits to be asked for", raw: request(ok, "Expect: 100-continue"), answers: []int{100, 200}, kept: []string{ok}},
		{id: "H15", what: "an expectation that nobody knows", raw: request(ok, "Expect: coffee"), answers: []int{417}},
		{id: "H16", what: "gzip", raw: request(zipped(ok), "Content-Encoding: gzip"), answers: []int{200}, kept: []string{ok}},
		{id: "H16", what: "identity", raw: request(ok, "Content-Encoding: identity"), answers: []int{200}, kept: []string{ok}},
		{id: "H16", what: "65 kB that become 64 MB", raw: request(zipped(strings.Repeat("\x00", 64<<20)), "Content-Encoding: gzip"), answers: []int{413}},
		{id: "H16", what: "gzip in gzip", raw: request(zipped(zipped(ok)), "Content-Encoding: gzip, gzip"), answers: []int{415}},
		{id: "H16", what: "gzip in gzip, said on two lines", raw: request(zipped(zipped(ok)), "Content-Encoding: gzip", "Content-Encoding: gzip"), answers: []int{415}},
		{id: "H16", what: "br", raw: request(ok, "Content-Encoding: br"), answers: []int{415}},
		{id: "H16", what: "no gzip at all", raw: request(ok, "Content-Encoding: gzip"), answers: []int{415}},
		{id: "H16", what: "gzip that is cut", raw: request(zipped(ok)[:40], "Content-Encoding: gzip"), answers: []int{415}},
		{id: "H16", what: "gzip with a wrong sum", raw: request(strings.Replace(zipped("a"), "\x01\x00\x00\x00", "\x02\x00\x00\x00", 1), "Content-Encoding: gzip"), answers: []int{415}},
	}
}

// stored are bodies that are kept byte for byte whatever they are worth.
func stored() []hostile {
	var all []hostile
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/xml", "", "application/json; charset=utf-16", "multipart/form-data"} {
		body := arrivalOf("h", "")
		all = append(all, hostile{id: "H17", what: kind, raw: request(body, "-Content-Type", "Content-Type: "+kind), answers: []int{200}, kept: []string{body}})
	}
	for id, bodies := range map[string][]string{
		"H18": {"", "null", "[]", `"x"`, "{}", " ", "true", "7"},
		"H19": {
			strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), strings.Repeat(`{"a":`, 20_000), `{"Meta":` + strings.Repeat("[", 100_000),
			"{" + strings.Join(lines(60_000, `"k%d":0`), ",") + "}", `{"x":"` + strings.Repeat("y", 900_000) + `"}`, `{"Meta":{"Test":` + strings.Repeat("9", 100_000) + "}}",
		},
		"H20": {`{"Meta":{"Logs":[{"ID":"1","id":"2","ID":"3"}]},"Meta":{"Logs":[{"ID":"4"}]}}`, arrivalOf("h", `,"Meta":{}`)},
		"H21": {
			"\xff\xfe{\x00}\x00", "\xef\xbb\xbf" + arrivalOf("bom", ""), arrivalOf("\xc3\x28", ""), arrivalOf("\xc0\xaf", ""), arrivalOf(`\ud800`, ""), arrivalOf(`\u0000`, ""), "\x00",
		},
		"H22": {arrivalOf("h", "") + "x", arrivalOf("h", "") + arrivalOf("i", ""), arrivalOf("h", "") + "\n" + arrivalOf("i", "") + "\n", "{}]"},
		"H23": {
			`{"Meta":{"DataModel":"Horoscope","EventType":"New"}}`, `{"Meta":{"DataModel":"PatientAdmin","EventType":"Teleported"}}`,
			`{"Meta":{"DataModel":7,"EventType":["x"]}}`, `{"Meta":{"DataModel":"` + strings.Repeat("M", 5000) + `"}}`, `{"Meta":[]}`, `{"Meta":"x"}`,
		},
		"H30": {
			arrivalOf("h", `,"Patient":{"Identifiers":[{"ID":"0000123","IDType":"MR"},{"ID":"12345678901234567890"},{"ID":" 1 "},{"ID":"'; DROP TABLE x"},{"ID":"=cmd|' /C calc'!A0"},{"ID":"../../"},{"ID":"\u202e"},{"ID":"😀"}]}`),
			arrivalOf("h", `,"Patient":{"Identifiers":[{"ID":"`+strings.Repeat("9", 1_000_000)+`"}]}`),
		},
		"H31": {
			`{"Meta":{"DataModel":"PatientAdmin","EventType":"PatientMerge","Logs":[{"ID":"m"}]},"Patient":{"Identifiers":[],"PreviousIdentifiers":[]}}`,
			`{"Meta":{"DataModel":"PatientAdmin","EventType":"Cancel","CanceledEvent":"Discharge"},"Visit":{"VisitNumber":"unknown"}}`,
		},
		"H39": {"{" + strings.Join(lines(50_000, `"k%08d":{}`), ",") + "}"},
		"H40": {`{"Meta":{"DataModel":"x\n{\"level\":\"error\"}","EventType":"\u001b[31m%n%n","Source":{"ID":"a\u0000b"}}}`},
	} {
		for _, body := range bodies {
			all = append(all, hostile{id: id, what: fmt.Sprintf("%.40q", body), raw: request(body), answers: []int{200}, kept: []string{body}})
		}
	}
	for what, c := range map[string][2]string{
		"log id":                   {arrivalOf("ABC-1", ""), "log:abc-1"},
		"log id that is a number":  {`{"Meta":{"Logs":[{"ID":41962259}]}}`, "log:41962259"},
		"no log, but transmission": {`{"Meta":{"Source":{"ID":"S"},"Logs":[],"Transmission":{"ID":12}}}`, "tx:s:12"},
		"nothing":                  {`{"Meta":{}}`, ""},
	} {
		h := hostile{id: "H24", what: what, raw: request(c[0]), answers: []int{200}, kept: []string{c[0]}}
		if c[1] != "" {
			h.keys = []string{c[1]}
		}
		all = append(all, h)
	}
	return all
}

// repeated are requests that come again.
func repeated() []hostile {
	first := strings.Replace(request(arrivalOf("h", "")), "Connection: close\r\n", "", 1)
	other, third := arrivalOf("h", `,"x":1`), arrivalOf("i", "")
	older := strings.Replace(arrivalOf("j", ""), "2026-03-01T12", "2019-01-01T00", 1)
	return []hostile{
		{id: "H25", what: "same id, same bytes", raw: first + request(arrivalOf("h", "")), answers: []int{200, 200}, kept: []string{arrivalOf("h", "")}},
		{id: "H26", what: "same id, other bytes", raw: first + request(other), answers: []int{200, 200}, kept: []string{arrivalOf("h", ""), other}, keys: []string{"log:h", "log:h"}},
		{id: "H27", what: "new id, otherwise the same", raw: first + request(third), answers: []int{200, 200}, kept: []string{arrivalOf("h", ""), third}, keys: []string{"log:h", "log:i"}},
		{id: "H28", what: "older after newer", raw: first + request(older), answers: []int{200, 200}, kept: []string{arrivalOf("h", ""), older}},
	}
}

// hostileTable is every row of the table that is one connection's bytes.
func hostileTable() []hostile {
	return slices.Concat(refusedBeforeReading(), framed(), stored(), repeated())
}

func TestHostileRequestsAreAnsweredAsPromisedAndKeptByteForByte(t *testing.T) {
	for _, h := range hostileTable() {
		t.Run(h.id+" "+h.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{maxBody: hostileMax})
			got := w.send(h.raw)
			if !slices.Equal(statuses(got), h.answers) {
				t.Fatalf("answers %v, want %v", statuses(got), h.answers)
			}
			kept := w.inbox.deliveries()
			if len(kept) != len(h.kept) {
				t.Fatalf("%d deliveries kept, want %d", len(kept), len(h.kept))
			}
			for i, d := range kept {
				if string(d.Body) != h.kept[i] {
					t.Errorf("delivery %d was not kept byte for byte", i)
				}
				if h.keys != nil && d.Key != h.keys[i] {
					t.Errorf("delivery %d has the key %q, want %q", i, d.Key, h.keys[i])
				}
			}
			checkSilence(t, w, got)
		})
	}
}

// checkSilence holds answers and events to what they may say.
func checkSilence(t *testing.T, w *world, got []reply) {
	t.Helper()
	for _, r := range got {
		if r.status == http.StatusOK && r.body != "{}" {
			t.Errorf("200 with the body %q", r.body)
		}
		if r.status >= 300 && strings.Contains(r.body, "Meta") {
			t.Errorf("status %d gives back what was sent: %q", r.status, r.body)
		}
		if r.status == http.StatusMethodNotAllowed && r.header.Get("Allow") != "GET, POST" {
			t.Errorf("405 with Allow %q", r.header.Get("Allow"))
		}
	}
	for _, e := range w.events.list() {
		text := fmt.Sprintf("%+v", e)
		if strings.ContainsAny(text, "\n\x1b\x00") || strings.Contains(text, goodToken) || strings.Contains(text, "%n") {
			t.Errorf("event holds what was sent: %q", text)
		}
	}
}

func TestTimesThatNobodyBelievesAreKeptAndDoNotOrder(t *testing.T) {
	arrived := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, setting{now: func() time.Time { return arrived }})
	for i, c := range []struct {
		sent string
		want time.Time // Delivery.Clock
	}{
		{"1900-01-01T00:00:00Z", arrived},
		{"2999-01-01T00:00:00Z", arrived},
		{"not a time", arrived},
		{"0000-00-00T00:00:00Z", arrived},
		{"2026-02-28T23:59:60Z", time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)},
		{"2026-02-28T10:00:00", time.Date(2026, 2, 28, 10, 0, 0, 0, time.UTC)},
		{"2026-03-08T02:30:00-0500", arrived}, // more than a day ahead
		{"2025-03-09T02:30:00-0500", time.Date(2025, 3, 9, 7, 30, 0, 0, time.UTC)},
		{"2026-02-28T10:00-0230", time.Date(2026, 2, 28, 12, 30, 0, 0, time.UTC)},
		{"2026-02-28", time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)},
		{"2026-02-28T10:00:00.123456789+05:30", time.Date(2026, 2, 28, 4, 30, 0, 123456000, time.UTC)},
	} {
		body := fmt.Sprintf(`{"Meta":{"Logs":[{"ID":%d}],"EventDateTime":%q}}`, i, c.sent)
		if r := w.one(request(body)); r.status != http.StatusOK {
			t.Fatalf("%s: status %d", c.sent, r.status)
		}
		if got := w.inbox.deliveries()[i]; !got.Clock().Equal(c.want) {
			t.Errorf("%s: ordered by %s, want %s", c.sent, got.Clock(), c.want)
		}
	}
}
