package auth

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Of the AWS suites the requests signed in the query are left out: Redox signs in the header, and a signature in an address
// would stand in every access log.

// vector is one case of a suite.
type vector struct {
	name      string
	request   string // with its authorization
	canonical string
	session   string
	tidy      bool
}

func modernVectors(t *testing.T) (all []vector) {
	t.Helper()
	fixture(t, "sigv4-aws-c-auth", "get-vanilla", "context.json")
	folders, err := filepath.Glob(filepath.Join(fixtures, "sigv4-aws-c-auth", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		var about struct {
			Normalize   bool
			Credentials struct{ Token string }
		}
		if err := json.Unmarshal(fixture(t, "sigv4-aws-c-auth", name, "context.json"), &about); err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{
			name:      "modern " + name,
			request:   string(fixture(t, "sigv4-aws-c-auth", name, "header-signed-request.txt")),
			canonical: string(fixture(t, "sigv4-aws-c-auth", name, "header-canonical-request.txt")),
			session:   about.Credentials.Token,
			tidy:      about.Normalize,
		})
	}
	return all
}

// legacyVectors takes requests and authorizations from their own files: the signed request of get-vanilla-with-session-token
// holds another signature than its authorization, a fault of the suite.
func legacyVectors(t *testing.T) (all []vector) {
	t.Helper()
	root := filepath.Join(fixtures, "sigv4-legacy-botocore")
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		base, ok := strings.CutSuffix(path, ".req")
		if err != nil || !ok {
			return err
		}
		v := vector{name: "legacy " + filepath.Base(base), tidy: true, canonical: string(must(os.ReadFile(base + ".creq")))}
		signed, body, _ := strings.Cut(string(must(os.ReadFile(base+".sreq"))), "\n\n")
		lines := strings.Split(signed, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "Authorization:") {
				lines[i] = "Authorization: " + string(must(os.ReadFile(base+".authz")))
			}
			if token, ok := strings.CutPrefix(line, "X-Amz-Security-Token:"); ok {
				v.session = token
			}
		}
		v.request = strings.Join(lines, "\n") + "\n\n" + body
		all = append(all, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// read makes the request that net/http would hand on, without its rules: the suites have blanks in paths.
func (v vector) read(t *testing.T) *Request {
	t.Helper()
	head, body, _ := strings.Cut(strings.ReplaceAll(v.request, "\r\n", "\n"), "\n\n")
	lines := strings.Split(head, "\n")
	first, last := strings.IndexByte(lines[0], ' '), strings.LastIndexByte(lines[0], ' ')
	r := &http.Request{Method: lines[0][:first], RequestURI: lines[0][first+1 : last], Header: http.Header{}, ContentLength: int64(len(body))}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("%s: header line without a colon", v.name)
		}
		if http.CanonicalHeaderKey(name) == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return &Request{Request: r, Bytes: func() ([]byte, error) { return []byte(body), nil }}
}

func (v vector) strategy() *sigV4 {
	now := always(time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
	s := &sigV4{region: "us-east-1", service: "service", window: usualWindow, tidy: v.tidy, now: now}
	s.keys = []sigKey{{"AKIDEXAMPLE", "secret_key", newSecret(text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), now)}}
	if v.session != "" {
		s.session = newSecret(text(v.session), now)
	}
	return s
}

// T16. Each request of the suites is let in as it is, and refused with its method, target, one signed header, its body or its
// signature changed.
func TestRequestsOfTheAWSSuitesAreJudgedAsAWSDoes(t *testing.T) {
	vectors := append(modernVectors(t), legacyVectors(t)...)
	var accepted, refusedRight, falseAccepts, falseRejects int
	for _, v := range vectors {
		s := v.strategy()
		r := v.read(t)
		g, reason := readSignature(r.Header)
		if reason != "" {
			t.Fatalf("%s: %s", v.name, reason)
		}
		wantHash := v.canonical[strings.LastIndexByte(v.canonical, '\n')+1:]
		if got, _ := s.canonical(r.Request, g, wantHash); got != v.canonical {
			t.Errorf("%s: canonical request\n%s\nwant\n%s", v.name, got, v.canonical)
		}
		if err := s.check(t.Context(), r); err != nil {
			falseRejects++
			t.Errorf("%s: refused: %v", v.name, err)
			continue
		}
		accepted++
		for what, change := range map[string]func(r *Request){
			"method": func(r *Request) { r.Method = "PUT" },
			"path":   func(r *Request) { r.RequestURI = "/x" + r.RequestURI },
			"query":  func(r *Request) { r.RequestURI += "&x=1"; r.RequestURI = strings.Replace(r.RequestURI, "&x", "?x", 1) },
			"host":   func(r *Request) { r.Host = "example.org" },
			"body":   func(r *Request) { r.Bytes = func() ([]byte, error) { return []byte("other"), nil } },
			"signature": func(r *Request) {
				a := []byte(r.Header.Get("Authorization"))
				a[len(a)-1] = map[bool]byte{true: '1', false: '0'}[a[len(a)-1] == '0']
				r.Header.Set("Authorization", string(a))
			},
			"date": func(r *Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") },
		} {
			r := v.read(t)
			change(r)
			if s.check(t.Context(), r) == nil {
				falseAccepts++
				t.Errorf("%s: let in with another %s", v.name, what)
				continue
			}
			refusedRight++
		}
	}
	t.Logf("AWS suites: %d requests, %d let in, %d changed ones refused; false accepts %d, false rejects %d",
		len(vectors), accepted, refusedRight, falseAccepts, falseRejects)
}
