package redcap

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// over sends a call through a real connection and returns what a client gets.
func over(t *testing.T, s *Server, p *Project, pairs ...string) (*http.Response, []byte, error) {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	form := url.Values{"token": {p.Token()}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.PostForm(srv.URL+"/api/", form)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

func TestFaultsDoWhatTheyAreCalled(t *testing.T) {
	csv := []string{"content", "record", "format", "csv"}
	p := Synthetic(Spec{Records: 4, Fields: 6, Empty: -1})
	_, whole := ask(t, serve(Options{}, p), p, csv...)
	for _, c := range []struct {
		fault  Fault
		status int
		broken bool // the connection breaks
		check  func(h http.Header, b []byte) bool
	}{
		{Fault{Kind: Empty}, 200, false, func(_ http.Header, b []byte) bool { return len(b) == 0 }},
		{Fault{Kind: Blank}, 200, false, func(_ http.Header, b []byte) bool { return len(bytes.TrimSpace(b)) == 0 && len(b) > 0 }},
		{Fault{Kind: Page}, 200, false, func(_ http.Header, b []byte) bool { return bytes.HasPrefix(b, []byte("<!DOCTYPE")) }},
		{Fault{Kind: LoginPage}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("Log In")) }},
		{Fault{Kind: FatalPage}, 200, false, func(_ http.Header, b []byte) bool {
			return bytes.HasPrefix(b, []byte("<br />\n<b>Fatal")) && bytes.HasSuffix(b, []byte("}"))
		}},
		{Fault{Kind: Notice}, 200, false, func(_ http.Header, b []byte) bool { return bytes.HasSuffix(b, []byte(whole)) && len(b) > len(whole) }},
		{Fault{Kind: ErrorAs200}, 200, false, func(_ http.Header, b []byte) bool { return bytes.HasPrefix(b, []byte("ERROR: ")) }},
		{Fault{Kind: MySQL}, 200, false, func(_ http.Header, b []byte) bool {
			return bytes.Contains(b, []byte("could not connect to the MySQL server"))
		}},
		{Fault{Kind: Memory}, 500, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("ran out of server memory")) }},
		{Fault{Kind: MemoryAs200}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("ran out of server memory")) }},
		{Fault{Kind: Status, N: 503, RetryAfter: "7"}, 503, false, func(h http.Header, _ []byte) bool { return h.Get("Retry-After") == "7" }},
		{Fault{Kind: Status, N: 504}, 504, false, func(h http.Header, _ []byte) bool { return strings.HasPrefix(h.Get("Content-Type"), "text/html") }},
		{Fault{Kind: ForbidBody, N: 20}, 403, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("<html>")) }},
		{Fault{Kind: ForbidBody, N: 2000}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == whole }},
		{Fault{Kind: Truncate, N: -10}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == whole[:len(whole)-10] }},
		{Fault{Kind: Reset, N: 30}, 200, true, nil},
		{Fault{Kind: Reset, N: 1 << 20}, 200, true, nil},
		{Fault{Kind: LongLength, N: 5}, 200, true, nil},
		{Fault{Kind: ShortLength, N: 10}, 200, false, func(h http.Header, b []byte) bool { return string(b) == whole[:len(whole)-10] }},
		{Fault{Kind: TooMuch}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("smaller data set")) }},
		{Fault{Kind: Status, N: 429, RetryAfter: "60"}, 429, false, func(h http.Header, _ []byte) bool { return h.Get("Retry-After") == "60" }},
		{Fault{Kind: Status, N: 408}, 408, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("Request Timeout")) }},
		{Fault{Kind: Drip, N: 40, Delay: time.Millisecond}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == whole }},
		{Fault{Kind: Stall, Delay: time.Millisecond}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == whole }},
		{Fault{Kind: DropIDs, IDs: []string{"2", "4"}}, 200, false, func(_ http.Header, b []byte) bool {
			return !bytes.Contains(b, []byte("\n2,")) && bytes.Contains(b, []byte("\n3,"))
		}},
		{Fault{Kind: NoRecords}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Count(b, []byte("\n")) == 1 }},
		{Fault{Kind: InvalidUTF8}, 200, false, func(_ http.Header, b []byte) bool { return !utf8.Valid(b) }},
		{Fault{Kind: NUL, Text: "\n3,"}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("\n3,\x00")) }},
		{Fault{Kind: BOM}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == "\ufeff"+whole }},
		{Fault{Kind: CRLF}, 200, false, func(_ http.Header, b []byte) bool { return string(b) == strings.ReplaceAll(whole, "\n", "\r\n") }},
		{Fault{Kind: NoHeader}, 200, false, func(_ http.Header, b []byte) bool { return bytes.HasPrefix(b, []byte("1,")) }},
		{Fault{Kind: ExtraColumn}, 200, false, func(_ http.Header, b []byte) bool { return bytes.Count(b, []byte(",extra\n")) == 4 }},
		{Fault{Kind: Redirect, Text: "https://elsewhere.example/api/"}, 302, false, func(h http.Header, _ []byte) bool {
			return h.Get("Location") == "https://elsewhere.example/api/"
		}},
		{Fault{Kind: ObjectAnswer}, 200, false, func(_ http.Header, b []byte) bool { return b[0] == '{' }},
		{Fault{Kind: Garbage}, 200, false, func(_ http.Header, b []byte) bool { return b[0] == 0x1f }},
		{Fault{Kind: TokenRefused}, 403, false, func(_ http.Header, b []byte) bool { return bytes.Contains(b, []byte("permissions")) }},
	} {
		s := serve(Options{}, p)
		s.Fault(c.fault)
		res, body, err := over(t, s, p, csv...)
		switch {
		case c.broken && err == nil:
			t.Errorf("%s: no error", c.fault.Kind)
		case c.broken:
		case err != nil:
			t.Errorf("%s: %v", c.fault.Kind, err)
		case res.StatusCode != c.status || !c.check(res.Header, body):
			t.Errorf("%s: %d %.200q", c.fault.Kind, res.StatusCode, body)
		}
	}
}

func TestAFaultStrikesAfterAndAsOftenAsSaid(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	s.Fault(Fault{Kind: Memory, Content: "record", After: 1, Times: 2})
	var got []int
	for range 5 {
		code, _ := ask(t, s, p, "content", "record")
		got = append(got, code)
		if code, _ := ask(t, s, p, "content", "version"); code != 200 {
			t.Error("another content was hit")
		}
	}
	if want := []int{200, 500, 500, 200, 200}; !equalInts(got, want) {
		t.Error(got)
	}
	if r := s.Requests()[2]; r.Fault != Memory {
		t.Errorf("%+v", r)
	}
	disarm := s.Fault(Fault{Kind: Empty})
	disarm()
	if _, body := ask(t, s, p, "content", "version"); body != "14.9.1" {
		t.Error("a disarmed fault strikes")
	}
}

func equalInts(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestForbidIDsAllowsSmallerBatches(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	s.Fault(Fault{Kind: ForbidIDs, N: 2})
	if code, _ := ask(t, s, p, "content", "record", "records[0]", "1", "records[1]", "2", "records[2]", "3"); code != 403 {
		t.Errorf("three ids: %d", code)
	}
	if code, _ := ask(t, s, p, "content", "record", "records[0]", "1", "records[1]", "2"); code != 200 {
		t.Errorf("two ids: %d", code)
	}
}

func TestThingsChangeBetweenTwoCalls(t *testing.T) {
	p := Synthetic(Spec{Records: 6, Fields: 6, DAGs: 1})
	s := serve(Options{}, p)
	s.Fault(Fault{Content: "record", After: 1, Times: 1, Do: func() {
		do(t, p.Delete("2"))
		do(t, p.Rename("3", "33"))
		do(t, p.AddField(Field{Name: "sudden", Form: "form_1", Type: "text"}))
	}})
	if got := names(t, s, p); got != "1 2 3 4 5 6" {
		t.Error(got)
	}
	batch := records(t, s, p, "records[0]", "1", "records[1]", "2", "records[2]", "3")
	if len(batch) != 1 || batch[0]["sudden"] == nil {
		t.Error(batch)
	}
	s.Fault(Fault{Content: "record", Times: 1, Do: func() { p.Rights(func(u *User) { u.DAG = "site_a" }) }})
	if got := names(t, s, p); len(strings.Fields(got)) >= 5 {
		t.Errorf("moved into a group, still sees %s", got)
	}
	s.Fault(Fault{Content: "record", Times: 1, Do: func() { p.Rights(func(u *User) { u.APIExport = false }) }})
	if code, _ := ask(t, s, p, "content", "record"); code != 403 {
		t.Errorf("right taken away: %d", code)
	}
}

func TestAChangeWhileAnExportIsUnderWayBlocksNobody(t *testing.T) {
	p := Synthetic(Spec{Records: 20_000, Fields: 6})
	s := serve(Options{}, p)
	srv := httptest.NewServer(s)
	defer srv.Close()
	res, err := srv.Client().PostForm(srv.URL+"/api/", url.Values{"token": {p.Token()}, "content": {"record"}, "format": {"csv"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	do(t, p.Delete("20000")) // the server is waiting for us to read on
	rest, err := io.ReadAll(res.Body)
	if err != nil || bytes.Contains(rest, []byte("\n20000,")) {
		t.Errorf("%v, or the deleted record came", err)
	}
}
