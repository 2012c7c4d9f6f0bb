package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

// breaker is a circuit that writes down what it is told.
type breaker struct {
	down  string
	probe bool
	err   error
	told  []string
}

func (b *breaker) Admit(context.Context) (string, bool, error) { return b.down, b.probe, b.err }

func (b *breaker) Settle(_ context.Context, failure string) error {
	b.told = append(b.told, failure)
	return nil
}

func TestNothingIsSentToAServerThatIsDown(t *testing.T) {
	count := 0
	b := &breaker{down: "redcap.main is down since 02:11 (server unreachable); next probe at 02:13"}
	bubble(t, Config{}, Endpoint{Circuit: b}, answers(&count, text("ok")), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		err := c.Do(t.Context(), ask(), into(new([]byte)))
		fails(t, err, extract.KindTransient, b.down)
		if !errors.Is(err, ErrDown) || count != 0 || len(b.told) != 0 {
			t.Errorf("%d requests, told %q: %v", count, b.told, err)
		}
		b.down, b.err = "", errors.New("no connection to Postgres")
		err = c.Do(t.Context(), ask(), into(new([]byte)))
		fails(t, err, extract.KindTransient, "no connection to Postgres")
		if errors.Is(err, ErrDown) || count != 0 {
			t.Errorf("%d requests while the circuit could not be asked: %v", count, err)
		}
	})
}

func TestProbeIsTriedOnce(t *testing.T) {
	count := 0
	b := &breaker{probe: true}
	bubble(t, Config{}, Endpoint{Circuit: b}, answers(&count, status(503)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		if err := c.Do(t.Context(), ask(), nil); err == nil || count != 1 {
			t.Errorf("%d requests, %v", count, err)
		}
		if !slices.Equal(b.told, []string{"status 503"}) {
			t.Errorf("told %q", b.told)
		}
	})
}

// TestCircuitIsToldOfOutagesOnlyAndOnceForARequest is the table of what counts against a server.
func TestCircuitIsToldOfOutagesOnlyAndOnceForARequest(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	slow := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	garbled := func(r *Response) error {
		return &extract.Error{Kind: extract.KindGarbled, Cause: errors.New("no rows")}
	}
	page := func(r *Response) error { r.Outage = "a web page"; return nil }
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		read    func(*Response) error
		tries   int
		budget  error
		want    []string
	}{
		{name: "an answer", handler: text("ok"), want: []string{""}},
		{name: "unavailable for ever", handler: status(503), want: []string{"status 503"}},
		{name: "unavailable once", handler: answers(new(int), status(503), text("ok")), want: []string{""}},
		{name: "unavailable, and the caller asks for less", handler: status(504), tries: 1},
		{name: "cut", handler: cut, want: []string{"server unreachable"}},
		{name: "slow", handler: slow, want: []string{"server too slow"}},
		{name: "a page", handler: text("<html>"), read: page, want: []string{"a web page"}},
		{name: "a page for one who asks for less", handler: text("<html>"), read: page, tries: 1, want: []string{"a web page"}},
		{name: "no data", handler: text("[]"), read: garbled},
		{name: "token refused", handler: status(401), want: []string{""}},
		{name: "right refused", handler: status(403), want: []string{""}},
		{name: "wrong question", handler: status(400), want: []string{""}},
		{name: "too many requests", handler: status(429)},
		{name: "no budget", handler: text("ok"), budget: errors.New("no connection to Postgres")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &breaker{}
			e := Endpoint{Circuit: b, Tries: 3, Budget: budgetFunc(func(context.Context) error { return c.budget })}
			bubble(t, Config{Timeout: time.Minute}, e, c.handler, func(t *testing.T, client *Client, _ *bytes.Buffer) {
				read := c.read
				if read == nil {
					read = into(new([]byte))
				}
				r := ask()
				r.Tries = c.tries
				_ = client.Do(t.Context(), r, read) // what comes of it is told elsewhere
				if !slices.Equal(b.told, c.want) {
					t.Errorf("told %q, want %q", b.told, c.want)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = client.Do(ctx, r, read)
				if len(b.told) != len(c.want) {
					t.Errorf("told %q of a request that its caller gave up", b.told)
				}
			})
		})
	}
}

type turnstile struct{ in, out int }

func (s *turnstile) Wait(context.Context) (func(), error) {
	s.in++
	return func() { s.out++ }, nil
}

func TestPlaceIsGivenBackOnceTheAnswerIsReadOrGivenUp(t *testing.T) {
	s := &turnstile{}
	failed := errors.New("given up")
	bubble(t, Config{}, Endpoint{Budget: s, Tries: 2}, answers(new(int), status(503), text("ok"), status(503)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		for i, read := range []func(*Response) error{
			func(r *Response) error {
				if s.out != s.in-1 {
					t.Errorf("%d in, %d out while the answer is read", s.in, s.out)
				}
				_, err := io.ReadAll(r.Body)
				return err
			},
			func(*Response) error { return failed },
		} {
			_ = c.Do(t.Context(), ask(), read)
			if s.out != s.in {
				t.Errorf("request %d: %d in, %d out", i, s.in, s.out)
			}
		}
		if s.in != 4 {
			t.Errorf("%d attempts", s.in)
		}
	})
}

func TestUserAgentWithContactGoesWithEveryAttempt(t *testing.T) {
	const contact = "data-team@example.edu"
	var agents []string
	count := 0
	handler := answers(&count, status(503), status(500), text("ok"))
	bubble(t, Config{Contact: contact}, Endpoint{Version: "1.2"}, func(w http.ResponseWriter, r *http.Request) {
		agents = append(agents, r.UserAgent())
		handler(w, r)
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		for range 2 {
			if err := c.Do(t.Context(), ask(), into(new([]byte))); err != nil {
				t.Fatal(err)
			}
		}
	})
	want := "syncd/1.2 (" + contact + ")"
	if len(agents) != 4 || slices.ContainsFunc(agents, func(a string) bool { return a != want }) || Agent("1.2", contact) != want {
		t.Errorf("sent %q, want %q four times", agents, want)
	}
}

func TestHostOfIsWhatABudgetIsFor(t *testing.T) {
	for raw, want := range map[string]string{
		"https://redcap.example.edu/api/":         "https://redcap.example.edu:443",
		"https://REDCap.example.edu:443/redcap/":  "https://redcap.example.edu:443",
		"https://redcap.example.edu:8443":         "https://redcap.example.edu:8443",
		"http://127.0.0.1:80/api/":                "http://127.0.0.1:80",
		"http://[::1]/api/":                       "http://[::1]:80",
		"https://user:secret@redcap.example.edu/": "",
	} {
		if got := HostOf(raw); got != want {
			t.Errorf("HostOf(%s) = %q, want %q", strings.ReplaceAll(raw, "secret", "..."), got, want)
		}
	}
}
