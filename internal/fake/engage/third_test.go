package engage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// askThird asks version 3 with a header key, "" for none.
func askThird(s *Server, key, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/api/v3.0/"+path, nil)
	if key != "" {
		r.Header.Set("X-Engage-Api-Key", key)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestVersionThreeListsTheSameCampus(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	for path, want := range map[string]int{
		"organizations/organization": 40, "events/event": 200, "organizations/organization?ids=90001&ids=90002&unknown=1": 2,
		"events/event?startsAfter=" + noon.Format(time.RFC3339): 0, "organizations/positionholder": 0,
	} {
		sep, seen, total := "?", map[float64]bool{}, 0
		if strings.Contains(path, "?") {
			sep = "&"
		}
		for skip := 0; ; {
			var e struct {
				Skip, Take, TotalItems int
				Items                  []map[string]any
			}
			w := askThird(s, plain.Header, fmt.Sprintf("%s%sskip=%d&take=7", path, sep, skip))
			if err := json.Unmarshal(w.Body.Bytes(), &e); w.Code != http.StatusOK || err != nil {
				t.Fatalf("%s: %d %v", path, w.Code, err)
			}
			for _, it := range e.Items {
				seen[it["id"].(float64)] = true
			}
			skip, total = skip+len(e.Items), e.TotalItems
			if skip >= total || len(e.Items) == 0 {
				break
			}
		}
		if len(seen) != total || total == 0 || want > 0 && total != want {
			t.Errorf("%s: %d different of %d", path, len(seen), total)
		}
	}
}

func TestVersionThreeTellsAMissingKeyFromAWrongOne(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	for _, c := range []struct {
		key, path string
		want      int
	}{
		{"", "events/event", 401}, {"wrong", "events/event", 403}, {plain.Header, "events/event", 200}, {"", "events/event?key=" + plain.Header, 200}, {plain.Header, "nosuch/list", 404},
	} {
		if w := askThird(s, c.key, c.path); w.Code != c.want {
			t.Errorf("key %q, %s: %d, want %d", c.key, c.path, w.Code, c.want)
		}
	}
	s.SetKey(plain.Public, func(k *Key) { k.Scope = []string{"events"} })
	if w := askThird(s, plain.Header, "organizations/organization"); w.Code != http.StatusForbidden {
		t.Error("out of scope:", w.Code)
	}
}
