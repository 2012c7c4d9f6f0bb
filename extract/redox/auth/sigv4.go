package auth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigEnd       = "aws4_request"
	sigTime      = "20060102T150405Z"
	// usualWindow is how far a signature's time may be from ours, as at AWS; widestWindow is that of S3.
	usualWindow  = 5 * time.Minute
	widestWindow = 15 * time.Minute
	// leastSecret is in bytes; AWS's own have 40.
	leastSecret = 32
)

// sigV4 is AWS Signature Version 4, of our own key id, secret, region and service. It knows no replay: inside the window one is
// a delivery that is known already.
type sigV4 struct {
	keys            []sigKey
	session         *secret // nil where there is none
	region, service string
	window          time.Duration
	host, prefix    string // of public_url; empty where it is not set
	tidy            bool   // whether signers remove dots and doubled slashes, which all do that follow AWS
	now             func() time.Time
}

// sigKey is a key id with its secrets.
type sigKey struct {
	id     string
	name   string // of the key in jobs.toml
	secret *secret
}

func newSigV4(c Config) (*sigV4, error) {
	o := c.Options
	s := &sigV4{region: o.Region, service: o.Service, window: cmp.Or(o.ClockWindow, usualWindow), tidy: true, now: c.Now}
	s.keys = []sigKey{{o.AccessKey, "secret_key", newSecret(c.Secrets.SecretKey, c.Now)}}
	if c.Secrets.SecretKeyOld != nil {
		s.keys = append(s.keys, sigKey{cmp.Or(o.AccessKeyOld, o.AccessKey), "secret_key_old", newSecret(c.Secrets.SecretKeyOld, c.Now)})
	}
	if c.Secrets.SessionToken != nil {
		s.session = newSecret(c.Secrets.SessionToken, c.Now)
	}
	if u, err := url.Parse(c.PublicURL); err == nil {
		// Clients write a host in small letters, and leave the usual port out.
		s.host, s.prefix = strings.TrimSuffix(strings.ToLower(u.Host), ":443"), strings.TrimSuffix(u.EscapedPath(), "/")
	}
	return s, nil
}

func (s *sigV4) endpoints() map[string]http.Handler { return nil }

// signature is what an authorization header says.
type signature struct {
	id, date, region, service string
	headers                   []string
	mac                       []byte
	at                        time.Time // X-Amz-Date
	session, body             string    // X-Amz-Security-Token, X-Amz-Content-Sha256; empty where they were not sent
}

// scope is what the key is derived for.
func (g *signature) scope() string {
	return strings.Join([]string{g.date, g.region, g.service, sigEnd}, "/")
}

// check verifies a request. What can be judged without its body is judged first.
func (s *sigV4) check(_ context.Context, r *Request) error {
	g, reason := readSignature(r.Header)
	if reason == "" {
		reason = s.acceptable(g)
	}
	if reason != "" {
		return refused(reason)
	}
	secrets, err := s.secretsOf(g.id)
	if err != nil {
		return err
	}
	if err := s.checkSession(g); err != nil {
		return err
	}
	hash := g.body
	if hash == "" {
		body, err := r.Bytes()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		hash = hex.EncodeToString(sum[:])
	}
	if reason := s.signed(r.Request, g, hash, secrets); reason != "" {
		return refused(reason)
	}
	if g.body == "" {
		return nil
	}
	body, err := r.Bytes()
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != g.body {
		return refused("body is not the one that was signed (x-amz-content-sha256)")
	}
	return nil
}

// readSignature reads the headers of a signed request strictly; reason is empty where it could.
func readSignature(h http.Header) (g *signature, reason string) {
	one := func(name string) string {
		if values := h.Values(name); len(values) == 1 {
			return values[0]
		} else if len(values) > 1 {
			reason = strings.ToLower(name) + " sent twice"
		}
		return ""
	}
	authorization, date := one("Authorization"), one("X-Amz-Date")
	g = &signature{session: one("X-Amz-Security-Token"), body: one("X-Amz-Content-Sha256")}
	if reason != "" {
		return nil, reason
	}
	algorithm, rest, _ := strings.Cut(authorization, " ")
	if algorithm != sigAlgorithm {
		return nil, "authorization is no " + sigAlgorithm
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, reasonSigned
		}
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(fields) != 3 || len(scope) != 5 || scope[4] != sigEnd {
		return nil, reasonSigned
	}
	g.id, g.date, g.region, g.service = scope[0], scope[1], scope[2], scope[3]
	g.headers = strings.Split(fields["SignedHeaders"], ";")
	var err error
	if g.mac, err = hex.DecodeString(fields["Signature"]); err != nil || len(g.mac) != sha256.Size {
		return nil, reasonSigned
	}
	if g.at, err = time.Parse(sigTime, date); err != nil {
		return nil, "no x-amz-date, or not one"
	}
	return g, ""
}

const reasonSigned = "authorization is damaged"

// acceptable says why a signature is refused whatever its secret.
func (s *sigV4) acceptable(g *signature) (reason string) {
	for i, name := range g.headers {
		if name == "" || name != strings.ToLower(name) || i > 0 && g.headers[i-1] >= name {
			return "list of signed headers is not in order"
		}
	}
	must := []string{"host", "x-amz-date"}
	if g.session != "" {
		must = append(must, "x-amz-security-token")
	}
	if g.body != "" {
		must = append(must, "x-amz-content-sha256")
	}
	for _, name := range must {
		if !slices.Contains(g.headers, name) {
			return name + " is not signed"
		}
	}
	switch off := s.now().Sub(g.at); {
	case !slices.ContainsFunc(s.keys, func(k sigKey) bool { return k.id == g.id }):
		return "unknown access key"
	case g.region != s.region || g.service != s.service:
		return "signed for another region or service"
	case g.date != g.at.Format("20060102"):
		return "date of the key is not that of the request"
	case off > s.window || off < -s.window:
		return "signed too long ago or in the future (x-amz-date)"
	}
	if hash, err := hex.DecodeString(g.body); g.body != "" && (err != nil || len(hash) != sha256.Size || g.body != strings.ToLower(g.body)) {
		return "body is not signed (x-amz-content-sha256)"
	}
	return ""
}

// secretsOf reads the secrets of a key id. The error is a Refusal.
func (s *sigV4) secretsOf(id string) (secrets [][]byte, err error) {
	for _, k := range s.keys {
		value, err := k.secret.get()
		if err != nil {
			return nil, unjudged(reasonConfig, err)
		}
		if k.id == id {
			secrets = append(secrets, value)
		}
	}
	return secrets, nil
}

func (s *sigV4) checkSession(g *signature) error {
	if s.session == nil {
		if g.session != "" {
			return refused("session token sent, and none is configured")
		}
		return nil
	}
	ok, err := anyIs([]*secret{s.session}, g.session)
	if err == nil && !ok {
		err = refused("wrong session token")
	}
	return err
}

// signed reports why a request is not what one of the secrets signed; empty where it is.
func (s *sigV4) signed(r *http.Request, g *signature, bodyHash string, secrets [][]byte) (reason string) {
	canonical, reason := s.canonical(r, g, bodyHash)
	if reason != "" {
		return reason
	}
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{sigAlgorithm, g.at.Format(sigTime), g.scope(), hex.EncodeToString(sum[:])}, "\n")
	found := false
	for _, secret := range secrets {
		k := append([]byte("AWS4"), secret...)
		for _, part := range []string{g.date, g.region, g.service, sigEnd, toSign} {
			k = mac(k, part)
		}
		found = hmac.Equal(k, g.mac) || found
	}
	if !found {
		return "signature is wrong"
	}
	return ""
}

// canonical writes the request as its sender must have seen it.
func (s *sigV4) canonical(r *http.Request, g *signature, bodyHash string) (text, reason string) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return "", "request target is no path"
	}
	headers, ok := canonicalHeaders(r, cmp.Or(s.host, r.Host), g.headers)
	if !ok {
		return "", "a signed header was not sent, or a proxy took it away"
	}
	return strings.Join([]string{
		r.Method, canonicalPath(s.prefix+path, s.service == "s3", s.tidy), canonicalQuery(query),
		headers, strings.Join(g.headers, ";"), bodyHash,
	}, "\n"), ""
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (s *sigV4) diagnose(context.Context) []Finding {
	var found []Finding
	for _, k := range s.keys {
		found = append(found, diagnoseSecret(k.name, k.secret, leastSecret))
	}
	if s.session != nil {
		found = append(found, diagnoseSecret("session_token", s.session, 1))
	}
	if s.host == "" {
		found = append(found, Finding{
			Warning, "public_url is not set: signatures are checked against the host that a request names",
			"set public_url in [serve] to the address that is typed at Redox",
		})
	}
	return found
}
