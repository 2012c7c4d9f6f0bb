package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"syncd/extract"
)

func TestStatusDecidesTheKind(t *testing.T) {
	for code, want := range map[int]extract.Kind{
		400: extract.KindRefused, 401: extract.KindAuth, 403: extract.KindRights, 404: extract.KindRefused,
		405: extract.KindRefused, 408: extract.KindTransient, 410: extract.KindRefused, 411: extract.KindRefused,
		413: extract.KindTooLarge, 414: extract.KindTooLarge, 418: extract.KindRefused, 429: extract.KindTransient,
		500: extract.KindTransient, 501: extract.KindRefused, 502: extract.KindTransient, 503: extract.KindTransient,
		504: extract.KindTransient, 507: extract.KindTransient, 599: extract.KindTransient,
		201: extract.KindGarbled, 202: extract.KindGarbled, 203: extract.KindGarbled, 206: extract.KindGarbled,
		204: extract.KindGarbled, 304: extract.KindGarbled,
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			count := 0
			bubble(t, Config{}, Endpoint{Tries: 2}, answers(&count, status(code)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
				err := c.Do(t.Context(), ask(), func(*Response) error {
					t.Error("read was called")
					return nil
				})
				fails(t, err, want, fmt.Sprintf("(redcap.main http://127.0.0.1:8080/redcap/api/ record, 2 ids): status %d", code))
				if again := want == extract.KindTransient; again != (count == 2) {
					t.Errorf("%d attempts", count)
				}
				var refusal *Refusal
				if !errors.As(err, &refusal) || refusal.Status != code {
					t.Errorf("no refusal in %v", err)
				}
			})
		})
	}
}

func TestJudgeSeesTheBodyThatNobodyPrints(t *testing.T) {
	judge := func(r *Refusal) *extract.Error {
		if strings.Contains(string(r.Body()), "memory") {
			return &extract.Error{Kind: extract.KindTooLarge, What: "export records", Cause: r}
		}
		return nil
	}
	count := 0
	bubble(t, Config{}, Endpoint{Tries: 2, Judge: judge}, answers(&count, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(append([]byte("REDCap ran out of server memory, "+canary), make([]byte, 1<<20)...))
	}, status(500)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		err := c.Do(t.Context(), ask(), nil)
		fails(t, err, extract.KindTooLarge, "export records (redcap.main")
		var refusal *Refusal
		if !errors.As(err, &refusal) || len(refusal.Body()) != refusalBytes || count != 1 {
			t.Errorf("%d bytes kept, %d attempts", len(refusal.Body()), count)
		}
		fails(t, c.Do(t.Context(), ask(), nil), extract.KindTransient, "status 500")
	})
}

func TestRedirectIsNeverFollowedAndSaysWhatToType(t *testing.T) {
	for _, c := range []struct{ name, location, says, next string }{
		{"other host", "https://evil.example.com/api/?token=" + canary, "https://evil.example.com/api/", `url = "https://evil.example.com/api/"`},
		{"plain http", "http://redcap.example.edu/api/", "http://redcap.example.edu/api/", "https:// address"},
		{"without a scheme", "//evil.example.com/x", "http://evil.example.com/x", "https:// address"},
		{"trailing slash", "/redcap/api/v2/", "http://127.0.0.1:8080/redcap/api/v2/", `url = "http://127.0.0.1:8080/redcap/api/v2/"`},
		{"itself", "/redcap/api/", "http://127.0.0.1:8080/redcap/api/", "points back"},
		{"token in the path", "https://evil.example.com/" + canary + "/x#" + canary, "https://evil.example.com/.../x", ""},
		{"token as host", "https://" + strings.ToLower(canary) + ".example.com/", "https://....example.com/", ""},
		{"user and password", "https://u:" + canary + "@example.com/", "https://example.com/", ""},
		{"nowhere", "", "to nowhere", ""},
		{"not a URL", "https://[" + canary, "to nowhere", ""},
		{"control characters", "https://x.example/%1b[31m", "https://x.example/...", ""},
	} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(c.name, code), func(t *testing.T) {
				count := 0
				bubble(t, Config{}, Endpoint{}, answers(&count, func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Location"] = []string{c.location}
					w.WriteHeader(code)
				}), func(t *testing.T, client *Client, _ *bytes.Buffer) {
					err := client.Do(t.Context(), ask(), nil)
					fails(t, err, extract.KindRedirect, c.says)
					var e *extract.Error
					if errors.As(err, &e); !strings.Contains(e.Next, c.next) || leaks(e.Next) {
						t.Errorf("next is %q", e.Next)
					}
					if count != 1 {
						t.Errorf("the server was asked %d times", count)
					}
				})
			})
		}
	}
}

func TestCookiesAreNotKept(t *testing.T) {
	count := 0
	bubble(t, Config{}, Endpoint{}, answers(&count, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
	}), func(t *testing.T, c *Client, _ *bytes.Buffer) {
		for range 2 {
			if err := c.Do(t.Context(), ask(), into(new([]byte))); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAnswerThatIsNotHTTPIsNotQuoted(t *testing.T) {
	for name, answer := range map[string]string{
		"garbage":         "TOKEN " + canary + "\r\n\r\n",
		"status line":     "HTTP/1.1 2x0 " + canary + "\r\n\r\n",
		"header":          "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"length and ends": "HTTP/1.1 200 OK\r\nContent-Length: x" + canary + "\r\n\r\n",
		"huge header":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"escape":          "HTTP/1.1 302 Found\r\nLocation: https://x.example/\x1b[31m" + canary + "\r\n\r\n",
		"chunk size":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, Endpoint{Tries: 1}, raw([]byte(answer)), func(t *testing.T, c *Client, _ *bytes.Buffer) {
				fails(t, c.Do(t.Context(), ask(), into(new([]byte))), extract.KindTransient, "")
			})
		})
	}
}

func TestHostThatARedirectPointsToReceivesNothing(t *testing.T) {
	var received atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { received.Add(1) }))
	defer other.Close()
	code := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, code)
	}))
	defer server.Close()
	for _, code = range []int{301, 302, 303, 307, 308} {
		c, err := New(Config{}, Endpoint{Name: "redcap.main", URL: server.URL + "/api/"})
		if err != nil {
			t.Fatal(err)
		}
		fails(t, c.Do(t.Context(), ask(), nil), extract.KindRedirect, other.URL+"/api/, which is never followed")
		c.Close()
	}
	if received.Load() != 0 {
		t.Errorf("the other host received %d requests", received.Load())
	}
}
