package redcap

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	"syncd/extract/upstream"
	fake "syncd/internal/fake/redcap"
)

func TestAddressesAreFoundInWhatPeoplePaste(t *testing.T) {
	t.Parallel()
	root := []string{"https://redcap.example.edu/api/", "https://redcap.example.edu/redcap/api/"}
	below := []string{"https://example.edu/redcap/api/", "https://example.edu/api/"}
	for pasted, want := range map[string][]string{
		"redcap.example.edu":                                                      root,
		" https://redcap.example.edu ":                                            root,
		"<https://redcap.example.edu/>":                                           root,
		"http://redcap.example.edu/":                                              root,
		"https://redcap.example.edu/api":                                          root,
		"https://redcap.example.edu/api/":                                         root,
		"https://redcap.example.edu/api/help/":                                    root,
		"https://redcap.example.edu/index.php?a=b":                                root,
		"https://redcap.example.edu/surveys/?s=AB#":                               root,
		"https://redcap.example.edu/redcap_v14.1.0/ProjectSetup/index.php?pid=15": root,
		"https://example.edu/redcap/redcap_v14.1.0/index.php?pid=1":               below,
		"https://example.edu/redcap/api/":                                         below,
		"https://example.edu/redcap":                                              below,
		"https://example.edu:8443/a/b/API/":                                       {"https://example.edu:8443/a/b/api/", "https://example.edu:8443/api/", "https://example.edu:8443/redcap/api/"},
		"http://127.0.0.1:8400/api/":                                              {"http://127.0.0.1:8400/api/", "http://127.0.0.1:8400/redcap/api/"},
		"http://localhost/redcap/":                                                {"http://localhost/redcap/api/", "http://localhost/api/"},
	} {
		got, err := Addresses(pasted)
		if err != nil {
			t.Errorf("%s: %v", pasted, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pasted, diff)
		}
	}
	for _, pasted := range []string{"", "0123456789ABCDEF0123456789ABCDEF", "https://", "ftp://example.edu", "https://ada:pw@example.edu", "not an address", "https://exa mple.edu", "file:///etc/passwd"} {
		if got, err := Addresses(pasted); err == nil {
			t.Errorf("%s: taken for %v", pasted, got)
		} else if len(pasted) > len("https://") && strings.Contains(err.Error(), pasted) {
			t.Errorf("%s is repeated: %v", pasted, err)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add("https://redcap.example.edu/redcap_v14.1.0/index.php?pid=15")
	f.Fuzz(func(t *testing.T, pasted string) {
		all, err := Addresses(pasted)
		if err != nil {
			return
		}
		for _, at := range all {
			_, err := upstream.New(upstream.Config{}, upstream.Endpoint{Name: "x", URL: at, Budget: upstream.PerMinute(1)})
			if err != nil && strings.HasPrefix(at, "http:") {
				t.Errorf("%q: %s: %v", pasted, at, err)
			}
		}
	})
}

func TestOnlyREDCapIsTakenForREDCapAndNothingSecretIsSent(t *testing.T) {
	t.Parallel()
	var strayed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	page := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil || r.Form.Has("token") {
				t.Errorf("it was sent %v", r.Form)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	for name, tc := range map[string]struct {
		handler http.Handler
		kind    extract.Kind
	}{
		"REDCap":               {fake.NewServer(fake.Options{}), ""},
		"an old REDCap":        {page(http.StatusOK, `{"error":"You do not have permissions to use the API"}`), ""},
		"a refusal":            {page(http.StatusUnauthorized, "\xEF\xBB\xBF {\"error\":\"x\"}"), ""},
		"a page":               {page(http.StatusOK, "<html>hello</html>"), extract.KindGarbled},
		"other JSON":           {page(http.StatusOK, "{}"), extract.KindGarbled},
		"nothing there":        {page(http.StatusNotFound, "<html>"), extract.KindRefused},
		"not allowed":          {page(http.StatusMethodNotAllowed, ""), extract.KindRefused},
		"down for maintenance": {page(http.StatusServiceUnavailable, "<html>"), extract.KindTransient},
		"the way elsewhere": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}), extract.KindRedirect},
	} {
		server := httptest.NewServer(tc.handler)
		t.Cleanup(server.Close)
		client, err := upstream.New(upstream.Config{}, upstream.Endpoint{Name: "redcap.main", URL: server.URL + "/api/", Tries: 1})
		if err != nil {
			t.Fatal(err)
		}
		switch err := Answers(t.Context(), client); {
		case tc.kind == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.kind != "" && (err == nil || extract.KindOf(err) != tc.kind):
			t.Errorf("%s: %v (%s), want %s", name, err, extract.KindOf(err), tc.kind)
		}
	}
	if strayed.Load() > 0 {
		t.Error("a redirect was followed")
	}
}
