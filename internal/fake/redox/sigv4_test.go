package redox

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// AWS's own examples. Those whose path has dots or doubled slashes that are to be normalised are left out: a destination's URL has none.
func TestSigV4SignsAWSExamplesAsAWSDoes(t *testing.T) {
	const folder = "../../../../shared/fixtures/redox/auth/sigv4-aws-c-auth"
	cases, err := os.ReadDir(folder)
	if err != nil {
		t.Skip("the examples are not here: " + folder)
	}
	done, left := 0, []string{}
	for _, c := range cases {
		read := func(name string) string {
			text, err := os.ReadFile(filepath.Join(folder, c.Name(), name))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		var context struct {
			Credentials struct{ Access_key_id, Secret_access_key, Token string }
			Region      string
			Service     string
			Sign_body   bool
			Timestamp   time.Time
		}
		if err := json.Unmarshal([]byte(read("context.json")), &context); err != nil {
			t.Fatal(err)
		}
		rq, body := readExample(t, read("request.txt"))
		if strings.Contains(rq.URL.Path, "//") || strings.Contains(rq.URL.Path, "/.") || strings.Contains(rq.URL.Path, " ") {
			left = append(left, c.Name())
			continue
		}
		s := SigV4{
			AccessKey: context.Credentials.Access_key_id, SecretKey: context.Credentials.Secret_access_key, SessionToken: context.Credentials.Token,
			Region: context.Region, Service: context.Service, HashHeader: context.Sign_body, Now: func() time.Time { return context.Timestamp },
		}
		for name := range rq.Header {
			s.Headers = append(s.Headers, name)
		}
		if err := s.authorize(t.Context(), nil, rq, body); err != nil {
			t.Fatal(err)
		}
		done++
		if got, want := rq.Header.Get("Authorization"), read("header-signature.txt"); !strings.HasSuffix(got, "Signature="+want) {
			t.Errorf("%s: %s, want signature %s", c.Name(), got, want)
		}
	}
	t.Logf("%d examples signed alike, left out: %v", done, left)
	if done < 12 || slices.Contains(left, "get-vanilla") {
		t.Errorf("only %d examples were tried", done)
	}
}

func readExample(t *testing.T, text string) (*http.Request, []byte) {
	head, body, _ := strings.Cut(text, "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	parts := strings.SplitN(line, " ", 2)
	path, query, _ := strings.Cut(strings.TrimSuffix(parts[1], " HTTP/1.1"), "?")
	rq := &http.Request{Method: parts[0], URL: &url.URL{Scheme: "https", Path: path, RawQuery: query}, Header: http.Header{}}
	lines := bufio.NewReader(strings.NewReader(headers + "\n"))
	for {
		line, err := lines.ReadString('\n')
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":"); ok {
			if strings.EqualFold(name, "host") {
				rq.URL.Host = value
			} else if !strings.EqualFold(name, "x-amz-date") {
				rq.Header.Add(name, value)
			}
		}
		if err == io.EOF {
			return rq, []byte(body)
		}
	}
}
