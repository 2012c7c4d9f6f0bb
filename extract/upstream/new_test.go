package upstream

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

func TestNewRefusesWhatCannotBeSafe(t *testing.T) {
	dir := t.TempDir()
	junk, key := filepath.Join(dir, "junk.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(junk, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "https://redcap.example.edu/api/"
	for _, c := range []struct {
		name  string
		cfg   Config
		url   string
		words string
	}{
		{"plain http", Config{}, "http://redcap.example.edu/", "read url (redcap.main): http:// is accepted for loopback only"},
		{"no scheme", Config{}, "redcap.example.edu/api/", "must begin with https://"},
		{"file", Config{}, "file:///etc/passwd", "must begin with https://"},
		{"no host", Config{}, "https:///api/", "names no host"},
		{"user", Config{}, "https://u:" + canary + "@redcap.example.edu/", "must hold no user and password"},
		{"query", Config{}, url + "?token=" + canary, "must end with its path"},
		{"fragment", Config{}, url + "#" + canary, "must end with its path"},
		{"port 0", Config{}, "https://redcap.example.edu:0/", "port 0"},
		{"spaces", Config{}, url + " ", "not a URL"},
		{"control", Config{}, url + "\x00" + canary, "not a URL"},
		{"escape", Config{}, "https://redcap.example.edu/%zz" + canary, "not a URL"},
		{"ca_file missing", Config{CAFile: filepath.Join(dir, "none.pem")}, url, "read ca_file (redcap.main): open "},
		{"ca_file of something else", Config{CAFile: key}, url, "holds no certificate"},
		{"ca_file damaged", Config{CAFile: junk}, url, "certificate 1 cannot be read"},
		{"ca_only alone", Config{CAOnly: true}, url, "ca_only needs a ca_file"},
		{"half a pair", Config{ClientCert: junk}, url, "go together"},
		{"key missing", Config{ClientCert: junk, ClientKey: filepath.Join(dir, "none.key")}, url, "read client_cert (redcap.main): open "},
		{"pair damaged", Config{ClientCert: junk, ClientKey: key}, url, "are not a certificate and its key"},
		{"proxy", Config{Proxy: "u:" + canary + "@proxy:3128"}, url, "read proxy (redcap.main): not a URL"},
		{"proxy of another kind", Config{Proxy: "ftp://u:" + canary + "@proxy"}, url, "its scheme is none of"},
		{"proxy with a path", Config{Proxy: "http://proxy/" + canary}, url, "not a URL"},
		{"proxy for plain http", Config{Proxy: "http://proxy:3128"}, "http://127.0.0.1/", "which no proxy reaches"},
		{"contact", Config{Contact: "me\r\nX-Evil: 1"}, url, "control characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.cfg, Endpoint{Name: "redcap.main", URL: c.url, Budget: PerMinute(60)})
			fails(t, err, extract.KindConfig, c.words)
		})
	}
	_, err := New(Config{}, Endpoint{Name: "redcap.main", URL: url, Budget: PerMinute(0)})
	fails(t, err, extract.KindConfig, "no limit is for loopback only")
}

func TestServerIsWhatAJobIsBoundTo(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:8080": "http://127.0.0.1:8080/", "http://localhost/redcap/api/": "http://localhost/redcap/api/", "http://[::1]:80/x": "http://[::1]:80/x",
	} {
		c, err := New(Config{}, Endpoint{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Server(); got != want {
			t.Errorf("server of %s is %s", url, got)
		}
	}
}

func TestPathStaysBelowItsEndpoint(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"", "/redcap/api/"},
		{"organizations", "/redcap/api/organizations"},
		{"/v3/a b/", "/redcap/api/v3/a b/"},
		{"//evil.example/x", "/redcap/api//evil.example/x"},
		{"https://evil.example", "/redcap/api/https://evil.example"},
		{"../login", ""},
		{"x/../../login", ""},
		{`..\login`, ""},
		{"x?token=1", ""},
		{"x#y", ""},
		{"x\ny", ""},
	} {
		got := ""
		bubble(t, Config{}, Endpoint{}, func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Path }, func(t *testing.T, client *Client, _ *bytes.Buffer) {
			r := ask()
			r.Path = c.path
			err := client.Do(t.Context(), r, into(new([]byte)))
			if got != c.want || c.want == "" && extract.KindOf(err) != extract.KindInternal {
				t.Errorf("path %q asks for %q, want %q; %v", c.path, got, c.want, err)
			}
		})
	}
}

func TestRequestIsSignedLastForEachAttempt(t *testing.T) {
	signatures := map[string]bool{}
	n, count := 0, 0
	sign := func(r *http.Request) error {
		n++
		r.Header.Set("X-Signature", strings.Repeat("s", n)+r.Header.Get("X-Api-Key")[:1])
		return nil
	}
	bubble(t, Config{}, Endpoint{Tries: 3, Sign: sign}, answers(&count, func(w http.ResponseWriter, r *http.Request) {
		signatures[r.Header.Get("X-Signature")] = true
		status(503)(w, r)
	}), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		_ = c.Do(t.Context(), ask(), nil)
		if len(signatures) != 3 || !signatures["sssC"] {
			t.Errorf("signatures %v", signatures)
		}
	})
}

func TestSignatureThatFailsOrLeadsElsewhereSendsNothing(t *testing.T) {
	refusal := extract.Errorf(extract.KindConfig, "read private_key", "no such file")
	for _, sign := range []func(*http.Request) error{
		func(*http.Request) error { return refusal },
		func(r *http.Request) error { r.URL.Host = "evil.example"; return nil },
	} {
		count := 0
		bubble(t, Config{}, Endpoint{Sign: sign}, answers(&count, status(200)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
			err := c.Do(t.Context(), ask(), nil)
			if kind := extract.KindOf(err); kind != extract.KindConfig && kind != extract.KindInternal || count != 0 {
				t.Errorf("%d requests, %v", count, err)
			}
		})
	}
}

func TestClockIsTakenFromTheQuickestAnswer(t *testing.T) {
	ahead := []time.Duration{time.Hour, 10 * time.Minute, 3 * time.Hour, 0}
	slow := []time.Duration{40 * time.Second, 2 * time.Second, 30 * time.Second, 0}
	n := 0
	bubble(t, Config{}, Endpoint{}, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow[n])
		w.Header().Set("Date", time.Now().Add(ahead[n]).UTC().Format(http.TimeFormat))
		if n == 3 {
			w.Header().Set("Age", "86400") // of a cache
		}
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		if _, ok := c.Clock(); ok {
			t.Error("there is a clock before any answer")
		}
		for ; n < len(ahead); n++ {
			if err := c.Do(t.Context(), ask(), into(new([]byte))); err != nil {
				t.Fatal(err)
			}
		}
		offset, ok := c.Clock()
		if off := (offset - 10*time.Minute).Abs(); !ok || off > 2*time.Second {
			t.Errorf("offset %s, want 10m", offset)
		}
	})
}

func TestBudgetIsSharedAndBoundsEveryMinute(t *testing.T) {
	for _, perMinute := range []int{1, 7, 60, 600} {
		bubble(t, Config{}, Endpoint{Budget: PerMinute(perMinute)}, text("ok"), func(t *testing.T, one *Client, _ *bytes.Buffer) {
			two, err := New(Config{}, one.endpoint) // the same host, another job
			if err != nil {
				t.Fatal(err)
			}
			defer two.Close()
			var at []time.Time
			for i := range 3 * perMinute {
				client := []*Client{one, two}[i%2]
				if err := client.Do(t.Context(), ask(), into(new([]byte))); err != nil {
					t.Fatal(err)
				}
				at = append(at, time.Now())
			}
			for i := range at {
				if j := i + perMinute; j < len(at) && at[j].Sub(at[i]) < time.Minute-time.Millisecond {
					t.Fatalf("request %d came %s after request %d", j, at[j].Sub(at[i]), i)
				}
			}
			if took := at[len(at)-1].Sub(at[0]); took > 4*time.Minute {
				t.Errorf("3 minutes' worth took %s", took)
			}
		})
	}
}

func TestBudgetWaitsNoLongerThanItsContext(t *testing.T) {
	count := 0
	bubble(t, Config{}, Endpoint{Budget: PerMinute(1)}, answers(&count, text("ok")), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		if err := c.Do(t.Context(), ask(), into(new([]byte))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("stopped by hand")
		time.AfterFunc(5*time.Second, func() { cancel(cause) })
		started := time.Now()
		err := c.Do(ctx, ask(), nil)
		fails(t, err, extract.KindTransient, "stopped by hand")
		if !errors.Is(err, cause) || time.Since(started) != 5*time.Second || count != 1 {
			t.Errorf("%d requests, %s, %v", count, time.Since(started), err)
		}
	})
}
