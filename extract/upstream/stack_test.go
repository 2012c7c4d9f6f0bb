package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// below is the part of the stack under the one that is tested.
type below func(*http.Request) (*http.Response, error)

func (b below) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }

func plainRequest(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// body answers with header and bytes.
func body(b io.Reader, header ...string) below {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Add(header[i], header[i+1])
		}
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(b)}, nil
	}
}

type budgetFunc func(context.Context) error

func (f budgetFunc) Wait(ctx context.Context) (func(), error) { return func() {}, f(ctx) }

func TestPacedAsksTheBudgetBeforeItSends(t *testing.T) {
	var order []string
	p := paced{budget: budgetFunc(func(context.Context) error { order = append(order, "budget"); return nil }), next: below(func(*http.Request) (*http.Response, error) {
		order = append(order, "sent")
		return nil, io.EOF
	})}
	if _, err := p.RoundTrip(plainRequest(t)); !errors.Is(err, io.EOF) || strings.Join(order, " ") != "budget sent" {
		t.Errorf("order %v, %v", order, err)
	}
}

func TestSignedLeavesTheCallersRequestAlone(t *testing.T) {
	req := plainRequest(t)
	s := signed{agent: "syncd/1", sign: func(r *http.Request) error { r.Header.Set("X-Key", "k"); return nil }, next: below(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Key") != "k" || r.UserAgent() != "syncd/1" {
			t.Errorf("sent with %v", r.Header)
		}
		return nil, io.EOF
	})}
	if _, err := s.RoundTrip(req); !errors.Is(err, io.EOF) || len(req.Header) != 0 {
		t.Errorf("header %v, %v", req.Header, err)
	}
}

func TestWatchedNamesTheTimerThatEndedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		w := watched{whole: time.Hour, idle: time.Minute, next: below(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return nil, stuck(r.Context())
			}
			return &http.Response{Body: io.NopCloser(readFunc(func([]byte) (int, error) { return 0, stuck(r.Context()) }))}, nil
		})}
		if _, err := w.RoundTrip(plainRequest(t)); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "1h0m0s") {
			t.Error(err)
		}
		req := plainRequest(t)
		req.Method = http.MethodGet
		resp, err := w.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := resp.Body.Read(nil); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "1m0s") {
			t.Error(err)
		}
		_ = resp.Body.Close()
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestDecodedCountsWhatItHandsOver(t *testing.T) {
	var count atomic.Int64
	d := decoded{next: body(bytes.NewReader(zipped("twelve bytes")), "Content-Encoding", "GZIP"), limit: 100, count: &count}
	resp, err := d.RoundTrip(plainRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "twelve bytes" || count.Load() != 12 {
		t.Errorf("%q, %d bytes counted, %v", text, count.Load(), err)
	}
}

func TestEmptyBodyMayCallItselfCompressed(t *testing.T) {
	resp, err := decoded{next: body(strings.NewReader(""), "Content-Encoding", "gzip"), limit: 100, count: new(atomic.Int64)}.RoundTrip(plainRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || len(text) != 0 {
		t.Errorf("%q, %v", text, err)
	}
}

func FuzzDecoded(f *testing.F) {
	f.Add(zipped("a body"), "gzip")
	f.Add([]byte("a body"), "")
	f.Add(append(zipped("one"), zipped("two")...), "x-gzip")
	f.Fuzz(func(t *testing.T, raw []byte, encoding string) {
		const limit = 1000
		resp, err := decoded{next: body(bytes.NewReader(raw), "Content-Encoding", encoding), limit: limit, count: new(atomic.Int64)}.RoundTrip(plainRequest(t))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b := &remembered{from: resp.Body}
		text, _ := io.ReadAll(b)
		if len(text) > limit || len(text) == limit && b.err == nil {
			t.Errorf("%d bytes, %v", len(text), b.err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999999999", " 7 "} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if d := retryAfter(http.Header{"Retry-After": {text}}, now); d < 0 || d > 366*24*time.Hour {
			t.Errorf("%q asks for %s", text, d)
		}
	})
}

func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"", "/x", "//e", "https://e/" + canary, "https://u:p@e/?token=" + canary, "https://" + canary + "/", "\x00", "https://[::1", "javascript:alert(1)", "https://e/a%2f" + canary} {
		f.Add(s)
	}
	question := ask()
	asked := &http.Request{URL: &url.URL{Scheme: "https", Host: host, Path: "/api/", RawQuery: question.Query.Encode()}, Header: question.Header}
	f.Fuzz(func(t *testing.T, location string) {
		e := judge(&Refusal{Status: 302, header: http.Header{"Location": {location}}}, asked, question)
		if text := e.Error() + e.Next; strings.Contains(strings.ToLower(text), strings.ToLower(canary)) || strings.ContainsFunc(text, isControl) {
			t.Errorf("location %q becomes %q", location, text)
		}
	})
}
