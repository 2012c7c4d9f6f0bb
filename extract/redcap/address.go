package redcap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"syncd/extract"
	"syncd/extract/upstream"
)

// pageShape is a part of a path with which REDCap's own pages begin: what stands before it is where REDCap is.
var pageShape = regexp.MustCompile(`^(redcap_v[0-9].*|api|surveys|plugins|modules|external_modules|.*\.php)$`)

// Addresses lists where the API of a REDCap may be, the likeliest first, by the address of any of its pages as somebody
// copies it out of a browser.
func Addresses(pasted string) ([]string, error) {
	text := strings.Trim(strings.TrimSpace(pasted), `<>"'`)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch { // the text is not repeated: somebody may have pasted a token
	case err != nil || u.Hostname() == "" || strings.ContainsAny(text, " \t\r\n") || !strings.ContainsAny(u.Hostname(), ".:") && u.Hostname() != "localhost":
		return nil, fmt.Errorf("that is not the address of a web page, such as https://redcap.example.edu")
	case u.User != nil:
		return nil, fmt.Errorf("it holds a user name or password: those are not part of the address")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("it must begin with https://")
	}
	if u.Scheme == "http" && !onThisMachine(u.Hostname()) {
		u.Scheme = "https" // a token is never sent in the clear
	}
	var base []string
	for _, part := range strings.Split(strings.Trim(u.Path, "/"), "/") {
		if part == "" || pageShape.MatchString(strings.ToLower(part)) {
			break
		}
		base = append(base, part)
	}
	var all []string
	for _, path := range [][]string{append(base, "api"), {"api"}, {"redcap", "api"}} {
		at := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + strings.Join(path, "/") + "/"}).String()
		if !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	return all, nil
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// errNoREDCap says that something else answers at an address.
var errNoREDCap = errors.New("what answers there is not REDCap's API")

// Answers asks, without a token, whether REDCap's API answers at the address of a client. KindRefused, KindRedirect and
// KindGarbled say that it does not; other kinds that the server could not be asked.
func Answers(ctx context.Context, c *upstream.Client) error {
	q := upstream.Request{Resource: "api, without a token", Body: []byte("content=version&format=json&returnFormat=json"), MaxBody: 64 << 10, Tries: 1}
	err := c.Do(ctx, q, func(r *upstream.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil || refusesInJSON(body) {
			return err
		}
		return &extract.Error{Kind: extract.KindGarbled, What: "look for REDCap", Where: c.Server(), Cause: errNoREDCap}
	})
	var refusal *upstream.Refusal
	if !errors.As(err, &refusal) || extract.KindOf(err) == extract.KindRedirect {
		return err
	}
	if refusesInJSON(refusal.Body()) {
		return nil
	}
	if refusal.Status >= 500 && refusal.Status != 501 {
		return err
	}
	return &extract.Error{Kind: extract.KindRefused, What: "look for REDCap", Where: c.Server(), Cause: fmt.Errorf("%w (%w)", errNoREDCap, refusal)}
}

// refusesInJSON reports whether a body is a refusal as REDCap words it where JSON is asked for.
func refusesInJSON(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")), " \t\r\n"), []byte(`{"error"`))
}

// CheckToken says why a text cannot be the token of a project, without repeating it.
func CheckToken(text string) error {
	_, err := checkToken(text)
	return err
}
