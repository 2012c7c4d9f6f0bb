package redox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const challenge = "b5c0d3b8-7f3c-4f3e-9d5e-0c6a9a4f7b11"

// get is a handshake in the GET form: a query, and headers.
func get(query string, lines ...string) string {
	return request("", append([]string{"GET " + hospitalPath + query + " HTTP/1.1", "-Content-Length", "-Content-Type", "-Verification-Token"}, lines...)...)
}

// post is a handshake in the POST form, without a token in the header.
func post(body string, lines ...string) string {
	return request(body, append([]string{"-Verification-Token"}, lines...)...)
}

func both(token string) string {
	return fmt.Sprintf(`{"verification-token":%q,"challenge":%q}`, token, challenge)
}

func TestHandshakeInEveryFormGivesTheChallengeBackToWhoHasTheToken(t *testing.T) {
	inQuery := "?challenge=" + challenge + "&verification-token="
	header := "Verification-Token: "
	for name, c := range map[string]struct {
		raw    string
		status int
		form   string
	}{
		"POST":                                        {post(both(goodToken)), 200, "POST"},
		"POST, old token":                             {post(both(oldToken)), 200, "POST"},
		"POST, header beside it":                      {post(both(goodToken), header+goodToken), 200, "POST"},
		"POST, other order, blanks":                   {post(` { "challenge" : "` + challenge + `" , "verification-token" : "` + goodToken + `" } `), 200, "POST"},
		"POST, more members":                          {post(`{"x":1,"verification-token":"` + goodToken + `","challenge":"` + challenge + `"}`), 200, "POST"},
		"POST in chunks":                              {request("", "-Verification-Token", "-Content-Length", "Transfer-Encoding: chunked") + chunked(both(goodToken), 9), 200, "POST"},
		"POST, token in the header alone":             {post(`{"challenge":"`+challenge+`"}`, header+goodToken), 200, "POST"},
		"POST, bearer beside it":                      {post(both(goodToken), "Authorization: Bearer "+goodToken), 200, "POST"},
		"POST, wrong token":                           {post(both("wrong")), 401, ""},
		"POST, wrong token, right header":             {post(both("wrong"), header+goodToken), 401, ""},
		"POST, empty token":                           {post(both("")), 401, ""},
		"POST, no token anywhere":                     {post(`{"challenge":"` + challenge + `"}`), 401, ""},
		"POST, token is a number":                     {post(`{"challenge":"` + challenge + `","verification-token":7}`), 401, ""},
		"POST, trailing bytes":                        {post(both(goodToken) + "x"), 401, ""},
		"POST, a message beside it":                   {post(`{"Meta":{},"verification-token":"` + goodToken + `","challenge":"` + challenge + `"}`), 401, ""},
		"POST, larger than any":                       {post(strings.Replace(both(goodToken), "{", "{"+strings.Repeat(" ", 5000), 1)), 401, ""},
		"POST in chunks, larger than any":             {request("", "-Verification-Token", "-Content-Length", "Transfer-Encoding: chunked") + chunked(strings.Repeat(" ", 5000)+both(goodToken), 999), 401, ""},
		"POST, hostile challenge":                     {post(strings.Replace(both(goodToken), challenge, "<script>alert(1)</script>", 1)), 400, ""},
		"POST, empty challenge":                       {post(strings.Replace(both(goodToken), challenge, "", 1)), 400, ""},
		"POST, challenge of 257":                      {post(strings.Replace(both(goodToken), challenge, strings.Repeat("c", 257), 1)), 400, ""},
		"POST, challenge of 256":                      {post(strings.Replace(both(goodToken), challenge, strings.Repeat("c", 256), 1)), 200, "POST"},
		"POST, challenge of 2,000":                    {post(strings.Replace(both(goodToken), challenge, strings.Repeat("c", 2000), 1)), 400, ""},
		"POST, hostile challenge, wrong token":        {post(strings.Replace(both("wrong"), challenge, "<x>", 1)), 401, ""},
		"GET":                                         {get(inQuery + goodToken), 200, "GET"},
		"GET, old token":                              {get(inQuery + oldToken), 200, "GET"},
		"GET, other order":                            {get("?verification-token=" + goodToken + "&challenge=" + challenge), 200, "GET"},
		"GET, token in the header":                    {get("?challenge="+challenge, header+goodToken), 200, "GET"},
		"GET, wrong token":                            {get(inQuery + "wrong"), 401, ""},
		"GET, wrong token, right header":              {get(inQuery+"wrong", header+goodToken), 401, ""},
		"GET, wrong token in the header":              {get("?challenge="+challenge, header+"wrong"), 401, ""},
		"GET, two headers":                            {get("?challenge="+challenge, header+goodToken, header+"wrong"), 401, ""},
		"GET, two tokens":                             {get(inQuery + goodToken + "&verification-token=wrong"), 401, ""},
		"GET, no token":                               {get("?challenge=" + challenge), 401, ""},
		"GET, two challenges":                         {get(inQuery + goodToken + "&challenge=x"), 400, ""},
		"GET, hostile challenge":                      {get("?verification-token=" + goodToken + "&challenge=" + url.QueryEscape("<script>")), 400, ""},
		"GET, line break in the challenge":            {get("?verification-token=" + goodToken + "&challenge=a%0d%0aX:1"), 400, ""},
		"GET, no challenge, right token in the query": {get("?verification-token=" + goodToken), 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{tokens: []string{goodToken, oldToken}})
			got := w.one(c.raw)
			if got.status != c.status {
				t.Fatalf("status %d, want %d", got.status, c.status)
			}
			if n := len(w.inbox.deliveries()); n != 0 {
				t.Errorf("%d deliveries kept of a handshake", n)
			}
			want := []string{}
			if c.form != "" {
				want = append(want, "hospital "+c.form)
			}
			if !slices.Equal(append([]string{}, w.inbox.verified...), want) {
				t.Errorf("noted %v, want %v", w.inbox.verified, want)
			}
			if c.status != http.StatusOK {
				if got.body != "" {
					t.Errorf("status %d with the body %q", c.status, got.body)
				}
				return
			}
			if trimmed := strings.Trim(got.body, "c"); got.body != challenge && (trimmed != "" || got.body == "") {
				t.Errorf("body %q, want the challenge alone", got.body)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			} {
				if got.header.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
				}
			}
		})
	}
}

// What is let in and looks like a handshake, but is a message, is kept.
func TestMessageThatHoldsAChallengeIsKept(t *testing.T) {
	w := newWorld(t, setting{})
	for i, body := range []string{
		`{"challenge":"x","resourceType":"Patient","verification-token":"y"}`, `{"challenge":"x","other":1}`, `{"challenge":{"a":1}}`,
		`{"Meta":{},"challenge":"x","verification-token":"` + goodToken + `"}`,
	} {
		if r := w.one(request(body)); r.status != http.StatusOK || r.body != "{}" {
			t.Errorf("%s: status %d, body %q", body, r.status, r.body)
		}
		if n := len(w.inbox.deliveries()); n != i+1 {
			t.Errorf("%s: not kept", body)
		}
	}
}

var errAway = errors.New("postgres is away")

// failing is an inbox that cannot note a handshake.
type failing struct{ *memoryInbox }

func (failing) Verified(context.Context, string, string) error { return errAway }

func TestHandshakeThatCannotBeNotedIsTriedAgain(t *testing.T) {
	w := newWorld(t, setting{})
	w.rc.config.Inbox = failing{w.inbox}
	if r := w.one(post(both(goodToken))); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("status %d", r.status)
	}
	if got := w.events.list(); len(got) != 1 || got[0].Kind != KindUnavailable || !errors.Is(got[0].Cause, errAway) {
		t.Errorf("events %+v", got)
	}
}
