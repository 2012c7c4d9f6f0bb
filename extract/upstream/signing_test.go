package upstream

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncd/extract"
)

func TestBusyIsWaitedForWhereTheServerDoesNotSayHowLong(t *testing.T) {
	const busy = 30 * time.Second
	for _, c := range []struct {
		name        string
		list        []http.HandlerFunc
		least, most time.Duration // of all waits together
	}{
		{"first and second", []http.HandlerFunc{status(429), status(429), text("ok")}, 90 * time.Second, 102 * time.Second},
		{"third", []http.HandlerFunc{status(429), status(429), status(429), text("ok")}, 150 * time.Second, 168 * time.Second},
		{"it says", []http.HandlerFunc{status(429, "Retry-After", "2"), status(429, "Retry-After", "3"), text("ok")}, 5 * time.Second, 8 * time.Second},
		{"another failure", []http.HandlerFunc{status(503), text("ok")}, 0, 2 * time.Second},
		{"another failure between", []http.HandlerFunc{status(429), status(503), status(429), text("ok")}, 90 * time.Second, 110 * time.Second},
	} {
		count := 0
		bubble(t, Config{}, Endpoint{Busy: busy}, answers(&count, c.list...), func(t *testing.T, client *Client, _ *bytes.Buffer) {
			began := time.Now()
			if err := client.Do(t.Context(), ask(), into(new([]byte))); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < c.least || took > c.most {
				t.Errorf("%s: waited %s, want %s to %s", c.name, took, c.least, c.most)
			}
		})
	}
}

func TestIPv4IsForConnectionsThatTakeNoProxy(t *testing.T) {
	for _, c := range []struct {
		name, proxy, want string
		ipv4              bool
	}{
		{"direct", "none", "tcp4", true},
		{"direct by any", "none", "tcp", false},
		{"through a proxy", "http://proxy.example.edu:3128", "tcp", true},
	} {
		var asked []string
		client, err := New(Config{Proxy: c.proxy}, Endpoint{
			Name: "engage.campus", URL: "https://campus.example.edu/", Budget: PerMinute(600), Tries: 1, IPv4: c.ipv4,
			Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
				asked = append(asked, network)
				return nil, &net.DNSError{Name: "campus.example.edu", IsNotFound: true}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		fails(t, client.Do(t.Context(), ask(), nil), extract.KindTransient, "no such host")
		if len(asked) != 1 || asked[0] != c.want {
			t.Errorf("%s: connections over %v, want %s", c.name, asked, c.want)
		}
	}
}

func TestConnectBoundsTheHandshake(t *testing.T) {
	for connect, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 5 * time.Second: 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var silent []net.Conn // nobody reads at their other ends
			client, err := New(Config{Proxy: "none"}, Endpoint{
				Name: "engage.campus", URL: "https://campus.example.edu/", Budget: PerMinute(600), Tries: 1, Connect: connect,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					silent = append(silent, theirs)
					return ours, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			fails(t, client.Do(t.Context(), ask(), nil), extract.KindTransient, "too slow")
			if took := time.Since(began); took != want {
				t.Errorf("gave up after %s, want %s", took, want)
			}
			for _, conn := range silent {
				_ = conn.Close()
			}
			client.Close()
		})
	}
}

func TestLastClockIsThatOfTheLatestAnswerHoweverSlow(t *testing.T) {
	ahead := []time.Duration{0, 90 * time.Second}
	slow := []time.Duration{0, 4 * time.Second}
	n := 0
	bubble(t, Config{}, Endpoint{}, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow[n])
		w.Header().Set("Date", time.Now().Add(ahead[n]).UTC().Format(http.TimeFormat))
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		if _, ok := c.LastClock(); ok {
			t.Error("there is a clock before any answer")
		}
		for ; n < len(ahead); n++ {
			if err := c.Do(t.Context(), ask(), into(new([]byte))); err != nil {
				t.Fatal(err)
			}
			if offset, ok := c.LastClock(); !ok || (offset-ahead[n]).Abs() > 3*time.Second {
				t.Errorf("answer %d: offset %s, want %s", n, offset, ahead[n])
			}
		}
		if offset, _ := c.Clock(); offset.Abs() > time.Second {
			t.Errorf("the quickest answer shows %s", offset)
		}
	})
}

func TestWhatSignedARequestIsNotShownWhereARedirectHandsItBack(t *testing.T) {
	const inQuery, inHeader = "feedfacecafe0123456789", "headersecret0123456789"
	sign := func(r *http.Request) error {
		r.URL.RawQuery += "&hash=" + inQuery
		r.Header.Set("X-Engage-Api-Key", inHeader)
		return nil
	}
	bubble(t, Config{}, Endpoint{Sign: sign}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://"+r.URL.Query().Get("hash")+"."+r.Header.Get("X-Engage-Api-Key")+".example.edu/api")
		w.WriteHeader(http.StatusFound)
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		err := c.Do(t.Context(), ask(), nil)
		fails(t, err, extract.KindRedirect, "https://........example.edu/api")
		if text := everyPrint(err); strings.Contains(text, inQuery) || strings.Contains(text, inHeader) {
			t.Errorf("the signature is in %s", text)
		}
	})
}
