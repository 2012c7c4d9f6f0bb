package redox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// SigV4 signs requests with AWS Signature Version 4.
type SigV4 struct {
	AccessKey, SecretKey string
	SessionToken         string // empty: none
	Region, Service      string
	Headers              []string         // signed beside host and those of AWS; which ones Redox signs is not published
	HashHeader           bool             // X-Amz-Content-Sha256 is sent, and signed
	Now                  func() time.Time // nil: time.Now
}

func (s *SigV4) authorize(_ context.Context, _ *http.Client, rq *http.Request, body []byte) error {
	at := now(s.Now).UTC()
	rq.Header.Set("X-Amz-Date", at.Format("20060102T150405Z"))
	signed := []string{"host", "x-amz-date"}
	if s.SessionToken != "" {
		rq.Header.Set("X-Amz-Security-Token", s.SessionToken)
		signed = append(signed, "x-amz-security-token")
	}
	sum := sha256.Sum256(body)
	if s.HashHeader {
		rq.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		signed = append(signed, "x-amz-content-sha256")
	}
	for _, name := range s.Headers {
		signed = append(signed, strings.ToLower(name))
	}
	slices.Sort(signed)
	names := strings.Join(slices.Compact(signed), ";")

	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", rq.Method, s.path(rq.URL), query(rq.URL))
	for name := range strings.SplitSeq(names, ";") {
		value := strings.Join(strings.Fields(strings.Join(rq.Header.Values(name), ",")), " ")
		if name == "host" {
			value = rq.URL.Host
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, value)
	}
	fmt.Fprintf(&canonical, "\n%s\n%x", names, sum)

	day := at.Format("20060102")
	scope := strings.Join([]string{day, s.Region, s.Service, "aws4_request"}, "/")
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", at.Format("20060102T150405Z"), scope, sha256.Sum256([]byte(canonical.String())))
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range []string{day, s.Region, s.Service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	rq.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", s.AccessKey, scope, names, key))
	return nil
}

// path is the canonical path: what stands on the wire, encoded once more for every service but s3.
func (s *SigV4) path(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if s.Service == "s3" {
		return path
	}
	return percent(path, true)
}

// query is the canonical query: pairs in the order of their names, then their values.
func query(u *url.URL) string {
	values, pairs := u.Query(), [][2]string{}
	for name, all := range values {
		for _, v := range all {
			pairs = append(pairs, [2]string{percent(name, false), percent(v, false)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = p[0] + "=" + p[1]
	}
	return strings.Join(out, "&")
}

// percent encodes all but unreserved characters, and slashes where they part segments.
func percent(s string, slashes bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && slashes:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func now(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}
