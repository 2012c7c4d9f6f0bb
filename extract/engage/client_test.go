package engage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

func TestPageAsksForOnePageAndSignsLast(t *testing.T) {
	var got *http.Request
	g := newGate(pages(3))
	handler := func(w http.ResponseWriter, r *http.Request) { got = r; g.ServeHTTP(w, r) }
	bubble(t, signedConfig(), handler, func(t *testing.T, w world) {
		var items []string
		params := url.Values{"status": {"Active & well"}}
		e, err := w.Page(t.Context(), "organizations", params, 2, 2, func(item jsontext.Value) error {
			items = append(items, string(item))
			return nil
		})
		if err != nil || !slices.Equal(items, []string{`{"id":3}`}) {
			t.Fatalf("items %v, %v", items, err)
		}
		if e.PageNumber != 2 || e.PageSize != 2 || e.TotalItems != 3 || e.TotalPages != 2 || time.Since(e.Date).Abs() > time.Second {
			t.Errorf("envelope %+v", e)
		}
		if got.Method != http.MethodGet || got.URL.Path != "/engage/api/organizations" || len(params) != 1 {
			t.Errorf("the server saw %s %s; params are now %v", got.Method, got.URL.Path, params)
		}
		shape := regexp.MustCompile(`^page=2&pageSize=2&status=Active\+%26\+well&time=\d{12,13}&apikey=` + publicKey + `&random=[0-9a-f-]{36}&hash=[0-9a-f]{64}$`)
		if !shape.MatchString(got.URL.RawQuery) {
			t.Errorf("query %s", got.URL.RawQuery)
		}
		if requests, n := w.Cost(); requests != 1 || n == 0 {
			t.Errorf("%d requests, %d bytes", requests, n)
		}
	})
}

func TestHeaderKeyIsSentAndNothingIsSigned(t *testing.T) {
	n := 0
	bubble(t, headerConfig(), func(w http.ResponseWriter, r *http.Request) {
		n++
		if r.Header.Get("X-Engage-Api-Key") != apiKey || r.URL.RawQuery != "page=1&pageSize=500" {
			t.Errorf("the server saw key %t and query %q", r.Header.Get("X-Engage-Api-Key") == apiKey, r.URL.RawQuery)
		}
		w.Header().Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
		if n > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		pages(1)(w, r)
	}, func(t *testing.T, w world) {
		if _, err := w.Page(t.Context(), "users", nil, 1, 500, keep); err != nil {
			t.Fatal(err)
		}
		// No clock is to blame where nothing is signed.
		err := w.get(t.Context(), question{path: "users", query: url.Values{"page": {"1"}, "pageSize": {"500"}}}, &answer{body: new(bytes.Buffer)})
		fails(t, err, extract.KindAuth, "401")
		if n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

func TestEveryAttemptIsSignedForItself(t *testing.T) {
	g := newGate(inTurn(status(503, ""), status(429, "", "Retry-After", "45"), status(502, "<html>"), pages(1)))
	bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
		if items, err := readAll(t, w.Client, "users", 10); err != nil || len(items) != 1 {
			t.Fatalf("%d items, %v", len(items), err)
		}
		randoms := map[string]bool{}
		for _, q := range g.seen {
			randoms[q.Get("random")] = true
		}
		if len(g.seen) != 4 || len(randoms) != 4 {
			t.Errorf("%d attempts with %d random values, want 4", len(g.seen), len(randoms))
		}
		first, _ := strconv.ParseInt(g.seen[0].Get("time"), 10, 64)
		last, _ := strconv.ParseInt(g.seen[3].Get("time"), 10, 64)
		if waited := time.Duration(last-first) * time.Millisecond; waited < 45*time.Second {
			t.Errorf("the last signature is %s younger than the first", waited)
		}
	})
}

func TestWaitForTheBudgetComesBeforeTheSignature(t *testing.T) {
	g := newGate(pages(1))
	cfg := signedConfig()
	cfg.Endpoint.Budget = slowBudget{}
	bubble(t, cfg, g.ServeHTTP, func(t *testing.T, w world) {
		if _, err := readAll(t, w.Client, "users", 10); err != nil || g.count() != 1 {
			t.Errorf("%d requests, %v", g.count(), err)
		}
	})
}

// slowBudget lets a request go after longer than a signature is good for.
type slowBudget struct{}

func (slowBudget) Wait(context.Context) (func(), error) {
	time.Sleep(2 * time.Minute) // of the bubble's time
	return func() {}, nil
}

func TestATornPageIsAskedForAgainAndNeverSeen(t *testing.T) {
	whole := `{"pageNumber":1,"pageSize":2,"totalItems":2,"totalPages":1,"items":[{"id":1},{"id":2}]}`
	for name, torn := range map[string]http.HandlerFunc{
		"length promised": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = w.Write([]byte(whole[:60]))
		},
		"no length": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + whole[:60]))
			_ = conn.Close()
		},
		"gzip that ends early": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab"))
		},
		"nothing":    status(200, ""),
		"a web page": status(200, "<html>We are back soon</html>", "Content-Type", "text/html"),
		"cut at once": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		},
	} {
		bubble(t, signedConfig(), inTurn(torn, torn, status(200, whole)), func(t *testing.T, w world) {
			items, err := readAll(t, w.Client, "users", 2)
			if err != nil || !slices.Equal(items, []string{`{"id":1}`, `{"id":2}`}) {
				t.Errorf("%s: items %v, %v", name, items, err)
			}
		})
	}
}

func TestSuccessThatIsNoneIsAnErrorInTheEnd(t *testing.T) {
	for name, v := range map[string]struct {
		answer   http.HandlerFunc
		kind     extract.Kind
		words    string
		attempts int
	}{
		"a web page":   {status(200, "<html>", "Content-Type", "text/html"), extract.KindGarbled, "a web page", 5},
		"a login page": {status(302, "", "Location", "/engage/account/login?to="+privateKey), extract.KindRedirect, "never followed", 1},
		"an error":     {status(200, `{"error":"`+privateKey+`"}`), extract.KindGarbled, "lacks", 1},
		"a list":       {status(200, `[]`), extract.KindGarbled, "no object of JSON", 5},
		"null items":   {status(200, `{"pageNumber":1,"pageSize":1,"totalItems":0,"totalPages":0,"items":null}`), extract.KindGarbled, "not a list", 1},
		"no content":   {status(204, ""), extract.KindGarbled, "204", 1},
		"a part":       {status(206, `{"pageNumber":1,"pageSize":1,"totalItems":0,"totalPages":0,"items":[]}`), extract.KindGarbled, "206", 1},
		"not modified": {status(304, ""), extract.KindGarbled, "304", 1},
		"bad question": {status(400, ""), extract.KindRefused, "400", 1},
		"nowhere":      {status(404, ""), extract.KindRefused, "/engage/api/", 1},
		"firewall":     {status(403, "\n<html>"), extract.KindRefused, "firewall", 1},
		"out of scope": {status(403, `{}`), extract.KindRights, "support", 1},
		"always down":  {status(500, ""), extract.KindTransient, "500", 5},
	} {
		n := 0
		bubble(t, signedConfig(), func(w http.ResponseWriter, r *http.Request) { n++; v.answer(w, r) }, func(t *testing.T, w world) {
			items, err := readAll(t, w.Client, "users", 2)
			fails(t, err, v.kind, v.words)
			if len(items) > 0 || n != v.attempts {
				t.Errorf("%s: %d items, %d attempts, want %d", name, len(items), n, v.attempts)
			}
		})
	}
}

func TestAnErrorOfTheCallerIsReturnedAsItIs(t *testing.T) {
	own := errors.New("own")
	bubble(t, signedConfig(), pages(2), func(t *testing.T, w world) {
		n := 0
		_, err := w.Page(t.Context(), "users", nil, 1, 2, func(jsontext.Value) error { n++; return own })
		if err != own || n != 1 {
			t.Errorf("%v after %d items", err, n)
		}
	})
}

func TestAWebPageOpensTheCircuit(t *testing.T) {
	cfg := signedConfig()
	told := &circuit{}
	cfg.Endpoint.Circuit = told
	bubble(t, cfg, status(200, "<html>"), func(t *testing.T, w world) {
		_, err := readAll(t, w.Client, "users", 2)
		fails(t, err, extract.KindGarbled, "a web page")
		if told.failure != "a web page instead of data" {
			t.Errorf("the circuit was told %q", told.failure)
		}
	})
}

type circuit struct{ failure string }

func (*circuit) Admit(context.Context) (string, bool, error) { return "", false, nil }
func (c *circuit) Settle(_ context.Context, failure string) error {
	c.failure = failure
	return nil
}

func TestA401IsTheResourcesOnlyWhereTheKeyIsLetIn(t *testing.T) {
	refuse := status(401, "")
	success := status(200, `{"pageNumber":1,"pageSize":100,"totalItems":1,"totalPages":1,"items":[{"messages":["Success"]}]}`)
	debug := status(200, `{"pageNumber":1,"pageSize":100,"totalItems":1,"totalPages":1,"items":[{"messages":["hash mismatch"]}]}`)
	for name, v := range map[string]struct {
		first, test http.HandlerFunc
		kind        extract.Kind
		tests       int
	}{
		"let in":                 {pages(1), success, extract.KindRights, 1},
		"not let in any more":    {pages(1), refuse, extract.KindAuth, 1},
		"refused in other words": {pages(1), debug, extract.KindAuth, 1},
		"test is down":           {pages(1), status(503, ""), extract.KindTransient, 5},
		"never let in":           {refuse, success, extract.KindAuth, 0},
	} {
		tests := 0
		bubble(t, headerConfig(), func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/test"):
				tests++
				v.test(w, r)
			case strings.HasSuffix(r.URL.Path, "/organizations"):
				v.first(w, r)
			default:
				refuse(w, r)
			}
		}, func(t *testing.T, w world) {
			_, _ = readAll(t, w.Client, "organizations", 10)
			_, err := readAll(t, w.Client, "users", 10)
			fails(t, err, v.kind, "read ")
			if tests != v.tests {
				t.Errorf("%s: test was asked %d times, want %d", name, tests, v.tests)
			}
		})
	}
}

func TestSecretsAreReadForEveryAttempt(t *testing.T) {
	wrong := "NotTheKeyAnyMore"
	now := wrong
	cfg := signedConfig()
	cfg.PrivateKey = func(context.Context) (string, error) { return " " + now + "\n", nil }
	g := newGate(pages(1))
	bubble(t, cfg, g.ServeHTTP, func(t *testing.T, w world) {
		_, err := readAll(t, w.Client, "users", 10)
		fails(t, err, extract.KindAuth, "401")
		now = privateKey
		if _, err := readAll(t, w.Client, "users", 10); err != nil {
			t.Errorf("after the key was replaced: %v", err)
		}
	})
}

func TestASecretThatIsNoneSendsNothing(t *testing.T) {
	for name, v := range map[string]struct {
		read  func(context.Context) (string, error)
		words string
	}{
		"empty":     {key(" \n"), "it is empty"},
		"two lines": {key(privateKey + "\n" + privateKey), "control characters"},
		"missing":   {func(context.Context) (string, error) { return "", errors.New("no such file") }, "no such file"},
	} {
		cfg := signedConfig()
		cfg.PrivateKey = v.read
		bubble(t, cfg, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: a request came", name) }, func(t *testing.T, w world) {
			_, err := readAll(t, w.Client, "users", 10)
			fails(t, err, extract.KindConfig, v.words)
			fails(t, err, extract.KindConfig, "private_key")
		})
	}
}

// TestNoKeyAndNoSignatureIsEverTold lets the server hand back all that it was sent, in all the places in which it can.
func TestNoKeyAndNoSignatureIsEverTold(t *testing.T) {
	for _, cfg := range []Config{signedConfig(), headerConfig()} {
		for code := 200; code < 600; code += 1 + code%7 {
			echo := func(w http.ResponseWriter, r *http.Request) {
				all := r.URL.RawQuery + " " + r.Header.Get("X-Engage-Api-Key")
				host := r.URL.Query().Get("hash") + r.Header.Get("X-Engage-Api-Key")
				w.Header().Set("Location", "https://"+host+".example.edu/"+host+"/?"+all)
				w.Header().Set("Retry-After", all)
				w.Header().Set("WWW-Authenticate", all)
				w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				w.WriteHeader(code)
				fmt.Fprintf(w, `{"Message":%q}`, all)
			}
			bubble(t, cfg, echo, func(t *testing.T, w world) {
				_, err := readAll(t, w.Client, "users", 10)
				if err == nil {
					t.Fatalf("status %d: no error", code)
				}
				if text := everyPrint(err); leaks(text) {
					t.Errorf("status %d: the error tells a key: %s", code, text)
				}
				for _, f := range w.Check(t.Context()) {
					if leaks(f.Detail + f.Next) {
						t.Errorf("status %d: the finding tells a key: %+v", code, f)
					}
				}
			})
		}
	}
}

func TestClientIsNotMadeOfWhatContradictsItself(t *testing.T) {
	for words, cfg := range map[string]Config{
		"public_key":  {},
		"api_key":     {Access: Access{Auth: "header"}},
		"hash":        {Access: Access{Hash: "sha1"}, PublicKey: key("a"), PrivateKey: key("b")},
		"ip":          {Access: Access{IP: "auto:http://elsewhere.example.edu/"}, PublicKey: key("a"), PrivateKey: key("b")},
		"https://":    {PublicKey: key("a"), PrivateKey: key("b")},
		"no limit is": {PublicKey: key("a"), PrivateKey: key("b")},
	} {
		cfg.Endpoint.Name, cfg.Endpoint.URL = "engage.campus", "http://campus.example.edu/engage/api/"
		if words == "no limit is" {
			cfg.Endpoint.URL = "https://campus.example.edu/engage/api/"
		}
		_, err := NewClient(cfg)
		fails(t, err, extract.KindConfig, words)
	}
}
