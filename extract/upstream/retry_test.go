package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

// answers serves one handler after the other, the last one for ever, and counts.
func answers(count *int, list ...http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*count++
		list[min(*count, len(list))-1](w, r)
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "an error page that repeats "+canary)
	}
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func TestPassingFailureIsTriedAgainWithTheWholeBody(t *testing.T) {
	count := 0
	sizes := map[int]bool{}
	handler := answers(&count, status(503), status(500), status(429), text("ok"))
	bubble(t, Config{}, Endpoint{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sizes[len(body)] = true
		handler(w, r)
	}, func(t *testing.T, c *Client, log *bytes.Buffer) {
		var body []byte
		started := time.Now()
		if err := c.Do(t.Context(), ask(), into(&body)); err != nil {
			t.Fatal(err)
		}
		if count != 4 || string(body) != "ok" || len(sizes) != 1 || sizes[0] {
			t.Errorf("%d attempts, body %q, sizes sent %v", count, body, sizes)
		}
		if took := time.Since(started); took < 3*time.Second || took > 20*time.Second {
			t.Errorf("three waits took %s", took)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 3 || !strings.Contains(log.String(), `"attempt":2`) {
			t.Errorf("log of three retries:\n%s", log)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		tries int
		code  int
		want  int
	}{
		{"by default", 0, 503, 5},
		{"by the request", 2, 503, 2},
		{"one only", 1, 500, 1},
		{"late answers", 0, 504, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{}, answers(&count, status(c.code)), func(t *testing.T, client *Client, _ *bytes.Buffer) {
				r := ask()
				r.Tries = c.tries
				fails(t, client.Do(t.Context(), r, nil), extract.KindTransient, fmt.Sprintf("status %d", c.code))
				if count != c.want {
					t.Errorf("%d attempts, want %d", count, c.want)
				}
			})
		})
	}
}

func TestRetryAfterIsHonouredUpToFiveMinutes(t *testing.T) {
	for _, c := range []struct {
		name, header string
		least, most  time.Duration
		after        time.Duration
	}{
		{"seconds", "30", 30 * time.Second, 32 * time.Second, 30 * time.Second},
		{"none", "", 0, 2 * time.Second, 0},
		{"garbage", "soon", 0, 2 * time.Second, 0},
		{"negative", "-5", 0, 2 * time.Second, 0},
		{"eleven days", "999999", 5 * time.Minute, 5*time.Minute + time.Second, 999999 * time.Second},
		{"more than fits", "99999999999999999999999", 5 * time.Minute, 5*time.Minute + time.Second, 365 * 24 * time.Hour},
		{"date", "date", 40 * time.Second, 46 * time.Second, 45 * time.Second},
		{"date of the past", "Sat, 01 Jan 1990 00:00:00 GMT", 0, 2 * time.Second, 0},
		{"date of a far future", "Fri, 31 Dec 9999 23:59:59 GMT", 5 * time.Minute, 5*time.Minute + time.Second, 365 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{Tries: 2}, func(w http.ResponseWriter, r *http.Request) {
				header := c.header
				if header == "date" {
					header = time.Now().Add(45 * time.Second).UTC().Format(http.TimeFormat)
				}
				answers(&count, status(503, "Retry-After", header))(w, r)
			}, func(t *testing.T, client *Client, _ *bytes.Buffer) {
				started := time.Now()
				err := client.Do(t.Context(), ask(), nil)
				fails(t, err, extract.KindTransient, "status 503")
				if took := time.Since(started); took < c.least || took > c.most {
					t.Errorf("the wait took %s, want %s to %s", took, c.least, c.most)
				}
				var e *extract.Error
				if !errors.As(err, &e) || e.After != c.after {
					t.Errorf("error tells of %s, want %s", e.After, c.after)
				}
			})
		})
	}
}

func TestCancelEndsAWaitAtOnceAndKeepsItsCause(t *testing.T) {
	cause := errors.New("the second signal")
	for _, c := range []struct {
		name   string
		cancel func(context.Context) (context.Context, func())
		is     []error
	}{
		{"cancel with cause", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(7*time.Second, func() { cancel(cause) })
			return ctx, func() {}
		}, []error{cause, context.Canceled}},
		{"deadline", func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, 7*time.Second)
			return ctx, cancel
		}, []error{context.DeadlineExceeded}},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{}, answers(&count, status(503, "Retry-After", "60")), func(t *testing.T, client *Client, _ *bytes.Buffer) {
				ctx, done := c.cancel(t.Context())
				defer done()
				started := time.Now()
				err := client.Do(ctx, ask(), nil)
				fails(t, err, extract.KindTransient, "stopped: ")
				for _, want := range c.is {
					if !errors.Is(err, want) {
						t.Errorf("error %q does not hold %q", err, want)
					}
				}
				if took := time.Since(started); took != 7*time.Second || count != 1 {
					t.Errorf("%d attempts in %s", count, took)
				}
			})
		})
	}
}

func TestCancelEndsARequestUnderWay(t *testing.T) {
	bubble(t, Config{}, Endpoint{}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the job was cancelled")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		started := time.Now()
		err := c.Do(ctx, ask(), nil)
		fails(t, err, extract.KindTransient, "stopped: the job was cancelled")
		if !errors.Is(err, cause) || time.Since(started) != time.Second {
			t.Errorf("%v after %s", err, time.Since(started))
		}
	})
}

func TestErrorOfReadDecidesWhetherItIsTriedAgain(t *testing.T) {
	foreign := errors.New("batch refused")
	for _, c := range []struct {
		name string
		err  error
		want int
		kind extract.Kind
	}{
		{"transient", extract.Errorf(extract.KindTransient, "read records", "0 bytes"), 3, extract.KindTransient},
		{"garbled", extract.Errorf(extract.KindGarbled, "read records", "an HTML page"), 1, extract.KindGarbled},
		{"garbled and marked", Retry(extract.Errorf(extract.KindGarbled, "read records", "an HTML page")), 3, extract.KindGarbled},
		{"foreign", foreign, 1, extract.KindInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{Tries: 3}, answers(&count, text("x")), func(t *testing.T, client *Client, _ *bytes.Buffer) {
				err := client.Do(t.Context(), ask(), func(*Response) error { return c.err })
				if extract.KindOf(err) != c.kind || count != c.want {
					t.Errorf("%d attempts, want %d; %v", count, c.want, err)
				}
				if _, marked := err.(*again); marked {
					t.Error("the mark is still on the error")
				}
				if errors.Is(c.err, foreign) && err != foreign {
					t.Errorf("error %v is not returned as it is", err)
				}
			})
		})
	}
}
