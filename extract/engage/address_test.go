package engage

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
)

const addressPage = "http://127.0.0.1:8080/my-address"

// seesUs is a campus, and beside it a page that answers our address.
func seesUs(campus *gate, page http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/my-address" {
			campus.ServeHTTP(w, r)
			return
		}
		page(w, r)
	}
}

func TestAddressIsPartOfTheSignatureAndNotOfTheURL(t *testing.T) {
	for _, ip := range []string{"203.0.113.7", "auto:" + addressPage} {
		asked := 0
		g := newGate(pages(3))
		g.ip = "203.0.113.7"
		cfg := signedConfig()
		cfg.Access.IP = ip
		bubble(t, cfg, seesUs(g, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Method != http.MethodGet || r.URL.RawQuery != "" {
				t.Errorf("the page saw %s %q", r.Method, r.URL.RawQuery)
			}
			status(200, " 203.0.113.7\r\n")(w, r)
		}), func(t *testing.T, w world) {
			if _, err := readAll(t, w.Client, "users", 1); err != nil {
				t.Fatal(err)
			}
			for _, q := range g.seen {
				if strings.Contains(q.Encode(), "203.0.113.7") {
					t.Errorf("the address is in the URL: %v", q)
				}
			}
			if strings.HasPrefix(ip, "auto:") != (asked == 1) {
				t.Errorf("ip = %q: the page was asked %d times", ip, asked)
			}
			if slices.Contains(w.pipes.networks, "tcp") || !slices.Contains(w.pipes.networks, "tcp4") {
				t.Errorf("connections over %v, want tcp4 alone", w.pipes.networks)
			}
		})
	}
}

func TestWithoutAnAddressAnyNetworkWillDo(t *testing.T) {
	g := newGate(pages(1))
	bubble(t, signedConfig(), g.ServeHTTP, func(t *testing.T, w world) {
		if _, err := readAll(t, w.Client, "users", 1); err != nil || !slices.Equal(w.pipes.networks, []string{"tcp"}) {
			t.Errorf("connections over %v, %v", w.pipes.networks, err)
		}
	})
}

func TestAnAddressThatIsNoneSignsNothing(t *testing.T) {
	for name, v := range map[string]struct {
		page  http.HandlerFunc
		kind  extract.Kind
		words string
	}{
		"a web page":  {status(200, "<html>203.0.113.7</html>"), extract.KindConfig, "nothing but the address"},
		"IPv6":        {status(200, "2001:db8::7"), extract.KindConfig, "nothing but the address"},
		"two":         {status(200, "203.0.113.7, 203.0.113.8"), extract.KindConfig, "nothing but the address"},
		"empty":       {status(200, ""), extract.KindConfig, "nothing but the address"},
		"private":     {status(200, "10.1.2.3"), extract.KindConfig, "outside of your network"},
		"link-local":  {status(200, "169.254.169.254"), extract.KindConfig, "outside of your network"},
		"unspecified": {status(200, "0.0.0.0"), extract.KindConfig, "outside of your network"},
		"too long":    {status(200, strings.Repeat(" ", 5000)+"203.0.113.7"), extract.KindTooLarge, "our address"},
		"moved":       {status(302, "", "Location", "https://elsewhere.example.edu/"), extract.KindRedirect, "never followed"},
		"down":        {status(500, ""), extract.KindTransient, "500"},
	} {
		g := newGate(pages(1))
		cfg := signedConfig()
		cfg.Access.IP = "auto:" + addressPage
		bubble(t, cfg, seesUs(g, v.page), func(t *testing.T, w world) {
			_, err := readAll(t, w.Client, "users", 1)
			fails(t, err, v.kind, v.words)
			if g.count() != 0 {
				t.Errorf("%s: the campus was asked", name)
			}
			if found := w.Check(t.Context()); len(found) != 1 || found[0].What != "ip" || found[0].OK || found[0].Next == "" {
				t.Errorf("%s: check finds %+v", name, found)
			}
		})
	}
}

func TestAnAddressOfThisMachineIsForACampusOnIt(t *testing.T) {
	g := newGate(pages(1))
	g.ip = "127.0.0.1"
	cfg := signedConfig()
	cfg.Access.IP = "auto:" + addressPage
	bubble(t, cfg, seesUs(g, status(200, "127.0.0.1")), func(t *testing.T, w world) {
		if _, err := readAll(t, w.Client, "users", 1); err != nil {
			t.Error(err)
		}
	})
}
