package engage

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"
)

var noon = time.Date(2025, 10, 1, 12, 0, 0, 0, time.UTC)

var plain = Key{Public: "examplekey", Private: "exampleprivate", Header: "header-key"}

// serve makes a server with a campus, whose clock stands at noon.
func serve(spec Spec, k Knobs) *Server {
	return NewServer(NewCampus(spec, noon), Options{Clock: func() time.Time { return noon }, Keys: []Key{plain}, Knobs: k})
}

// get asks with a header key. Pairs are name, value.
func get(t *testing.T, s *Server, resource string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodGet, "/engage/api/"+resource+"?"+q.Encode(), nil)
	r.Header.Set("X-Engage-Api-Key", plain.Header)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

type envelope struct {
	PageNumber, PageSize, TotalItems, TotalPages int
	Items                                        []map[string]any
}

// list asks for a page that must be there.
func list(t *testing.T, s *Server, resource string, pairs ...string) envelope {
	t.Helper()
	w := get(t, s, resource, pairs...)
	var e envelope
	if err := json.Unmarshal(w.Body.Bytes(), &e); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %v %.200s", resource, w.Code, err, w.Body)
	}
	return e
}

// walk reads all pages.
func walk(t *testing.T, s *Server, resource string, pairs ...string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for page := 1; ; page++ {
		e := list(t, s, resource, append(pairs, "page", strconv.Itoa(page), "pageSize", "97")...)
		all = append(all, e.Items...)
		if page >= e.TotalPages {
			if len(all) != e.TotalItems {
				t.Fatalf("%s: %d items of %d", resource, len(all), e.TotalItems)
			}
			return all
		}
	}
}

func TestWalksListWhatThereIsOnce(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	for _, resource := range Resources() {
		key := s.campus.table(resource).key
		seen := map[float64]bool{}
		for _, it := range walk(t, s, resource, "includeUnrecognizedUsers", "true") {
			seen[it[key].(float64)] = true
		}
		if n := s.campus.Live(resource); n == 0 || len(seen) != n {
			t.Errorf("%s: %d different items, %d there", resource, len(seen), n)
		}
	}
}
