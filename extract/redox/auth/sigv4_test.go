package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4"
)

const awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// sigGate lets in what is signed with the key AKIDEXAMPLE for the region redox and the service syncd.
func sigGate(t *testing.T, change ...func(*Config)) *Gate {
	t.Helper()
	c := Config{
		PublicURL: publicURL, Path: receiver, Options: Options{Strategy: strategySigV4, AccessKey: "AKIDEXAMPLE", Region: "redox", Service: "syncd"},
		Secrets: Secrets{SecretKey: text(awsSecret)},
	}
	for _, f := range change {
		f(&c)
	}
	return newGate(t, c)
}

// signedPush is a request that the signer of AWS signed.
func signedPush(t *testing.T, body, region string, at time.Time, creds credentials.Credentials, headers ...string) *Request {
	t.Helper()
	r := push(body, headers...)
	sum := sha256.Sum256([]byte(body))
	err := sigv4.New().SignRequest(&sigv4.SignRequestInput{
		Request: r.Request, PayloadHash: sum[:], Credentials: creds, Service: "syncd", Region: region, Time: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = r.URL.RequestURI()
	return r
}

var awsKey = credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: awsSecret}

// t16Signatures: what the signer of AWS signs is let in, at its time, for its region and with its body; the suites of AWS have a
// test of their own.
func t16Signatures(t *testing.T) {
	g := sigGate(t)
	good := func() *Request { return signedPush(t, `{"Meta":{}}`, "redox", noon, awsKey) }
	for name, c := range map[string]struct {
		request *Request
		change  func(*Request)
		want    int
	}{
		"good":                      {good(), nil, 200},
		"clock 4 min 59 s ahead":    {signedPush(t, "{}", "redox", noon.Add(299*time.Second), awsKey), nil, 200},
		"clock 5 min 1 s ahead":     {signedPush(t, "{}", "redox", noon.Add(301*time.Second), awsKey), nil, 401},
		"clock 16 min behind":       {signedPush(t, "{}", "redox", noon.Add(-16*time.Minute), awsKey), nil, 401},
		"region in other case":      {signedPush(t, "{}", "Redox", noon, awsKey), nil, 401},
		"another key id":            {signedPush(t, "{}", "redox", noon, credentials.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: awsSecret}), nil, 401},
		"another secret":            {signedPush(t, "{}", "redox", noon, credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "x"}), nil, 401},
		"a session token, unasked":  {signedPush(t, "{}", "redox", noon, credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: awsSecret, SessionToken: "t"}), nil, 401},
		"a session token, unsigned": {good(), func(r *Request) { r.Header.Set("X-Amz-Security-Token", "t") }, 401},
		"another body":              {good(), func(r *Request) { r.Bytes = func() ([]byte, error) { return []byte("{}"), nil } }, 401},
		"unsigned payload":          {good(), func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 401},
		"streaming payload":         {good(), func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, 401},
		"authorization twice":       {good(), func(r *Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, 401},
		"date twice":                {good(), func(r *Request) { r.Header.Add("X-Amz-Date", r.Header.Get("X-Amz-Date")) }, 401},
		"date missing":              {good(), func(r *Request) { r.Header.Del("X-Amz-Date") }, 401},
		"authorization missing":     {good(), func(r *Request) { r.Header.Del("Authorization") }, 401},
		"a bearer token":            {good(), func(r *Request) { r.Header.Set("Authorization", "Bearer x") }, 401},
		"host not signed":           {good(), func(r *Request) { rewrite(r, "host;", "") }, 401},
		"headers out of order":      {good(), func(r *Request) { rewrite(r, "SignedHeaders=", "SignedHeaders=z;") }, 401},
		"another terminator":        {good(), func(r *Request) { rewrite(r, "aws4_request", "aws5_request") }, 401},
		"another algorithm":         {good(), func(r *Request) { rewrite(r, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1") }, 401},
		"short signature":           {good(), func(r *Request) { a := r.Header.Get("Authorization"); r.Header.Set("Authorization", a[:len(a)-2]) }, 401},
		"empty signature": {good(), func(r *Request) {
			a, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", a+"Signature=")
		}, 401},
		"another path":             {good(), func(r *Request) { r.RequestURI = "/redox/other" }, 401},
		"a query that came":        {good(), func(r *Request) { r.RequestURI += "?x=1" }, 401},
		"absolute target":          {good(), func(r *Request) { r.RequestURI = publicURL + receiver }, 401},
		"host that a proxy set":    {good(), func(r *Request) { r.Host = "10.0.0.7:8080" }, 200},
		"signed header taken away": {signedPush(t, "{}", "redox", noon, awsKey, "X-Amz-Meta-Note", "a  b"), func(r *Request) { r.Header.Del("X-Amz-Meta-Note") }, 401},
		"signed header":            {signedPush(t, "{}", "redox", noon, awsKey, "X-Amz-Meta-Note", " a b ", "X-Amz-Meta-Note", "c"), nil, 200},
	} {
		if c.change != nil {
			c.change(c.request)
		}
		err := g.Check(t.Context(), c.request)
		if got := status(t, err); got != c.want {
			t.Errorf("%s: %d (%v), want %d", name, got, err, c.want)
		}
	}
}

// rewrite changes the authorization of a request.
func rewrite(r *Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

// forge signs a request with the right secret, but for the date, the service and the headers that a test says.
func forge(t *testing.T, r *Request, date, service string, headers ...string) *Request {
	t.Helper()
	r.Header.Set("X-Amz-Date", noon.Format(sigTime))
	r.RequestURI = r.URL.RequestURI()
	s := must(newSigV4(Config{PublicURL: publicURL, Secrets: Secrets{SecretKey: text(awsSecret)}, Now: always(noon)}))
	g := &signature{date: date, region: "redox", service: service, headers: headers, at: noon}
	body := must(r.Bytes())
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if sent := r.Header.Get("X-Amz-Content-Sha256"); sent != "" && slices.Contains(headers, "x-amz-content-sha256") {
		hash = sent
	}
	canonical, reason := s.canonical(r.Request, g, hash)
	if reason != "" {
		t.Fatal(reason)
	}
	sum = sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + awsSecret)
	for _, part := range []string{date, "redox", service, sigEnd, strings.Join([]string{sigAlgorithm, noon.Format(sigTime), g.scope(), hex.EncodeToString(sum[:])}, "\n")} {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", sigAlgorithm+" Credential=AKIDEXAMPLE/"+g.scope()+", SignedHeaders="+strings.Join(headers, ";")+", Signature="+hex.EncodeToString(key))
	return r
}

// A right signature is not enough: it must be for this day and service, and over what makes a request this one.
func TestASignatureMustCoverWhatMatters(t *testing.T) {
	g := sigGate(t)
	empty := sha256.Sum256(nil)
	other := hex.EncodeToString(empty[:])
	sum := sha256.Sum256([]byte("{}"))
	own := hex.EncodeToString(sum[:])
	session := sigGate(t, func(c *Config) { c.Secrets.SessionToken = text("session") })
	for name, c := range map[string]struct {
		gate    *Gate
		request *Request
		want    int
	}{
		"good":                     {g, forge(t, push("{}"), "20260601", "syncd", "host", "x-amz-date"), 200},
		"hash of the body":         {g, forge(t, push("{}", "X-Amz-Content-Sha256", own), "20260601", "syncd", "host", "x-amz-content-sha256", "x-amz-date"), 200},
		"key of another day":       {g, forge(t, push("{}"), "20260531", "syncd", "host", "x-amz-date"), 401},
		"another service":          {g, forge(t, push("{}"), "20260601", "s3", "host", "x-amz-date"), 401},
		"without host":             {g, forge(t, push("{}"), "20260601", "syncd", "x-amz-date"), 401},
		"without date":             {g, forge(t, push("{}"), "20260601", "syncd", "host"), 401},
		"names out of order":       {g, forge(t, push("{}"), "20260601", "syncd", "x-amz-date", "host"), 401},
		"a name twice":             {g, forge(t, push("{}"), "20260601", "syncd", "host", "host", "x-amz-date"), 401},
		"hash that is not signed":  {g, forge(t, push("{}", "X-Amz-Content-Sha256", own), "20260601", "syncd", "host", "x-amz-date"), 401},
		"hash of another body":     {g, forge(t, push("{}", "X-Amz-Content-Sha256", other), "20260601", "syncd", "host", "x-amz-content-sha256", "x-amz-date"), 401},
		"session, signed":          {session, forge(t, push("{}", "X-Amz-Security-Token", "session"), "20260601", "syncd", "host", "x-amz-date", "x-amz-security-token"), 200},
		"session, not signed":      {session, forge(t, push("{}", "X-Amz-Security-Token", "session"), "20260601", "syncd", "host", "x-amz-date"), 401},
		"session token sent twice": {g, forge(t, push("{}", "X-Amz-Security-Token", "a", "X-Amz-Security-Token", "b"), "20260601", "syncd", "host", "x-amz-date"), 401},
	} {
		err := c.gate.Check(t.Context(), c.request)
		if got := status(t, err); got != c.want {
			t.Errorf("%s: %d (%v), want %d", name, got, err, c.want)
		}
	}
}

// The window is the one that is configured, to the second.
func TestASignatureIsLetInWithinItsWindow(t *testing.T) {
	g := sigGate(t, func(c *Config) { c.Options.ClockWindow = 15 * time.Minute })
	for off, want := range map[time.Duration]int{
		-15 * time.Minute: 200, 15 * time.Minute: 200, -15*time.Minute - time.Second: 401, 15*time.Minute + time.Second: 401,
	} {
		if got := status(t, g.Check(t.Context(), signedPush(t, "{}", "redox", noon.Add(off), awsKey))); got != want {
			t.Errorf("off by %v: %d, want %d", off, got, want)
		}
	}
}

// While keys change, both are valid, each with its own secret.
func TestKeysOfSignaturesChangeWithoutAPause(t *testing.T) {
	g := sigGate(t, func(c *Config) {
		c.Options.AccessKeyOld, c.Secrets.SecretKeyOld = "AKIDOLD", text("the old secret of forty characters, about")
	})
	old := credentials.Credentials{AccessKeyID: "AKIDOLD", SecretAccessKey: "the old secret of forty characters, about"}
	mixed := credentials.Credentials{AccessKeyID: "AKIDOLD", SecretAccessKey: awsSecret}
	for name, c := range map[string]struct {
		key  credentials.Credentials
		want int
	}{"new": {awsKey, 200}, "old": {old, 200}, "the old id with the new secret": {mixed, 401}} {
		if got := status(t, g.Check(t.Context(), signedPush(t, "{}", "redox", noon, c.key))); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	same := sigGate(t, func(c *Config) { c.Secrets.SecretKeyOld = text("old") })
	for _, secret := range []string{awsSecret, "old"} {
		key := credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: secret}
		if got := status(t, same.Check(t.Context(), signedPush(t, "{}", "redox", noon, key))); got != 200 {
			t.Errorf("one id with two secrets: %d", got)
		}
	}
}

func TestASessionTokenIsAskedForWhereOneIsConfigured(t *testing.T) {
	g := sigGate(t, func(c *Config) { c.Secrets.SessionToken = text("session") })
	for token, want := range map[string]int{"session": 200, "other": 401, "": 401} {
		key := awsKey
		key.SessionToken = token
		if got := status(t, g.Check(t.Context(), signedPush(t, "{}", "redox", noon, key))); got != want {
			t.Errorf("token %q: %d, want %d", token, got, want)
		}
	}
}

// The body is read only of who has signed something, and an error of reading it is handed on.
func TestABodyIsReadOnlyWhereItIsSigned(t *testing.T) {
	g := sigGate(t)
	read := func(r *Request) *bool {
		done := new(bool)
		r.Bytes = func() ([]byte, error) { *done = true; return nil, context.DeadlineExceeded }
		return done
	}
	stranger := signedPush(t, "{}", "redox", noon, credentials.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: awsSecret})
	if done := read(stranger); status(t, g.Check(t.Context(), stranger)) != 401 || *done {
		t.Error("the body of a stranger was read")
	}
	forged := signedPush(t, "{}", "redox", noon, credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "x"})
	sum := sha256.Sum256([]byte("{}"))
	forged.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	rewrite(forged, "host;", "host;x-amz-content-sha256;")
	if done := read(forged); status(t, g.Check(t.Context(), forged)) != 401 || *done {
		t.Error("the body of a forged signature was read, although its hash was signed")
	}
	good := signedPush(t, "{}", "redox", noon, awsKey)
	read(good)
	if err := g.Check(t.Context(), good); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error of reading the body: %v", err)
	}
}

// A proxy that takes a prefix off, and the usual port that clients leave out, change nothing.
func TestSignaturesAreCheckedAgainstThePublicAddress(t *testing.T) {
	g := sigGate(t, func(c *Config) { c.PublicURL = "https://ETL.example.org:443/hooks/" })
	r := push("{}")
	r.URL.Path = "/hooks" + receiver
	sum := sha256.Sum256([]byte("{}"))
	err := sigv4.New().SignRequest(&sigv4.SignRequestInput{
		Request: r.Request, PayloadHash: sum[:], Credentials: awsKey, Service: "syncd", Region: "redox", Time: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI, r.Host = receiver, "127.0.0.1:8080"
	if err := g.Check(t.Context(), r); err != nil {
		t.Error(err)
	}
	bare := sigGate(t, func(c *Config) { c.PublicURL = "" })
	if err := bare.Check(t.Context(), signedPush(t, "{}", "redox", noon, awsKey)); err != nil {
		t.Errorf("without public_url: %v", err)
	}
}

func TestPathsAndQueriesAreWrittenAsAWSDoes(t *testing.T) {
	for sent, want := range map[string]string{
		"/": "/", "//": "/", "/a//b": "/a/b", "/a/./b/": "/a/b/", "/a/../b": "/b", "/../..": "/", "/a/..": "/", "/a/.": "/a/", "/a%2Fb": "/a%252Fb",
		"/\u1234": "/%E1%88%B4", "/a b+c": "/a%20b%2Bc", "/~x": "/~x",
	} {
		if got := canonicalPath(sent, false, true); got != want {
			t.Errorf("path %q: %q, want %q", sent, got, want)
		}
	}
	for sent, want := range map[string]string{"/a//b/../c": "/a//b/../c", "/a%2fb%20c": "/a/b%20c", "/a%zz": "/a%25zz"} {
		if got := canonicalPath(sent, true, true); got != want {
			t.Errorf("path of s3 %q: %q, want %q", sent, got, want)
		}
	}
	for sent, want := range map[string]string{
		"": "", "b=2&a=1": "a=1&b=2", "a": "a=", "a=": "a=", "a=2&a=1": "a=1&a=2", "Param-3=1&Param=2": "Param=2&Param-3=1", "x=a%2fb": "x=a%2Fb",
		"x=a+b": "x=a%2Bb", "x=a=b": "x=a%3Db", "&&a=1": "a=1", "\u1234=1": "%E1%88%B4=1",
	} {
		if got := canonicalQuery(sent); got != want {
			t.Errorf("query %q: %q, want %q", sent, got, want)
		}
	}
}
