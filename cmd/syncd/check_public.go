package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"syncd/internal/config"
	"syncd/internal/fake/redox"
)

// playWithin bounds one request of `syncd check --public`; Redox gives up later.
const playWithin = 20 * time.Second

// publicBase reads the URL by which Redox reaches this host.
func publicBase(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, usage("--public %s: a URL such as https://etl.example.edu", text)
	}
	if u.Scheme == "http" && !onThisMachine(u.Hostname()) {
		return nil, usage("--public %s: it must begin with https://, tokens go there", text)
	}
	return u, nil
}

// player plays Redox against one receiver, from outside in.
type player struct {
	r      *config.Receiver
	url    string
	client *http.Client
	token  string
	// credential is what a strategy adds; nil where there is none, or where only Redox has the key.
	credential redox.Credential
	unplayable string // why there is none
}

// playRedox does what Redox does: it verifies the destination in both ways, and pushes a test. Somebody unknown pushes, too.
func (c *cli) playRedox(ctx context.Context, r *config.Receiver, base *url.URL) []finding {
	var all []finding
	if base.Scheme == "https" {
		reached, ok := c.checkReached(ctx, r, base)
		if all = reached; !ok {
			return all
		}
	}
	transport := &http.Transport{TLSClientConfig: redoxTLS(), Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	p := &player{r: r, url: base.String() + r.Path, client: &http.Client{Transport: transport, Timeout: playWithin}}
	if err := p.arm(ctx); err != nil {
		return append(all, failed(r.Name, "play", err))
	}
	all = append(all, p.handshake(ctx, http.MethodPost), p.handshake(ctx, http.MethodGet))
	return append(all, p.stranger(ctx), p.push(ctx))
}

// checkReached connects as Redox does, and judges the certificate that it is shown.
func (c *cli) checkReached(ctx context.Context, r *config.Receiver, base *url.URL) ([]finding, bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, playWithin, errors.New("no answer in time"))
	defer cancel()
	dialer := &tls.Dialer{Config: redoxTLS()}
	conn, err := dialer.DialContext(ctx, "tcp", base.Hostname()+":"+cmp.Or(base.Port(), "443"))
	if err != nil {
		f := failed(r.Name, "reached", fmt.Errorf("%s: %w", base.Host, err))
		f.Next = "look at DNS, firewall, certificate and proxy of that host; Redox connects with TLS 1.2 or 1.3, ECDHE and AES-GCM"
		return []finding{f}, false
	}
	defer conn.Close()
	shown := conn.(*tls.Conn).ConnectionState().PeerCertificates
	return c.judgeChain(r.Name, shown[0], shown[1:], base.Hostname(), nil), true
}

// arm reads what Redox would show. Of public keys the private half is at Redox alone.
func (p *player) arm(ctx context.Context) (err error) {
	read := func(s config.Secret) (value string) {
		if s.IsZero() || err != nil {
			return ""
		}
		value, err = s.Read(ctx)
		return value
	}
	if len(p.r.Tokens) > 0 {
		p.token = read(p.r.Tokens[0])
	}
	a, endpoint := p.r.Auth, p.url+"/oauth/token"
	switch {
	case a.Strategy == "":
	case a.Strategy == "aws-sigv4":
		p.credential = &redox.SigV4{
			AccessKey: read(a.AccessKey), SecretKey: read(a.SecretKey), SessionToken: read(a.SessionToken), Region: a.Region, Service: a.Service,
		}
	case a.Strategy == "oauth2" && a.IntrospectionURL == "" && a.JWKSURL == "" && a.JWKSFile == "":
		p.credential = redox.OAuth2(redox.Client{TokenURL: endpoint, ID: read(a.ClientID), Secret: read(a.ClientSecret)})
	case a.Strategy == "jwt-bearer" && !a.Secret.IsZero():
		alg := "HS256"
		if len(a.Algorithms) > 0 {
			alg = a.Algorithms[0]
		}
		assertion := redox.Assertion{
			Key: &redox.Key{Alg: alg, Secret: []byte(read(a.Secret))}, Issuer: a.Issuer, Subject: a.Subject, Audience: endpoint, Scope: a.Scope,
		}
		if len(a.Audience) > 0 {
			assertion.Audience = a.Audience[0]
		}
		if p.credential = redox.SignedJWT(assertion); a.Grant {
			assertion.TokenURL = endpoint
			p.credential = redox.JWTGrant(assertion)
		}
	default:
		p.unplayable = "strategy " + a.Strategy + ": only Redox, or the issuer, has what it takes to sign"
	}
	return err
}

func (p *player) sender(token string, credential redox.Credential, observe func(redox.Attempt)) *redox.Sender {
	return redox.New(redox.Config{URL: p.url, Token: token, Credential: credential, Client: p.client, Workers: 1, Observe: observe})
}

func (p *player) handshake(ctx context.Context, method string) finding {
	f := finding{Subject: p.r.Name, What: "verify by " + method}
	if p.unplayable != "" && (p.token == "" || p.r.HandshakeRequiresCredential) {
		f.Warning, f.Detail = true, "not played, "+p.unplayable
		return f
	}
	// What strategies sign is the URL as it is sent; the token stands in its query.
	h := redox.Handshake{Method: method, Credentialed: p.credential != nil}
	if err := p.sender(p.token, p.credential, nil).Verify(ctx, h); err != nil {
		f.Detail, f.Next = withoutQuery(err).Error(), p.next(err)
		return f
	}
	f.OK, f.Detail = true, "the challenge came back"
	return f
}

// next says what to do about an error: nobody answered, or somebody refused.
func (p *player) next(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return "is syncd serve running, and does that URL lead to it?"
	}
	return "syncd watch " + p.r.Name + " says why; Redox would show the same"
}

// withoutQuery takes the URL off an error of the HTTP client: a token may stand in it.
func withoutQuery(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", strings.ToUpper(u.Op), u.Err)
	}
	return err
}

// stranger pushes with a token that nobody gave out.
func (p *player) stranger(ctx context.Context) finding {
	f := finding{Subject: p.r.Name, What: "push of a stranger", Next: "whatever answers there lets anybody in, or is not syncd"}
	status, err := p.send(ctx, newToken(), nil)
	switch {
	case err != nil:
		f.Detail, f.Next = withoutQuery(err).Error(), p.next(err)
	case status == http.StatusUnauthorized:
		f.OK, f.Detail, f.Next = true, "answered with 401", ""
	case status == http.StatusServiceUnavailable:
		f.Detail, f.Next = "answered with 503: the receiver is misconfigured, or Postgres is away", "syncd status; the daemon's log"
	default:
		f.Detail = fmt.Sprintf("answered with %d in place of 401", status)
	}
	return f
}

// push pushes a test, which lands where tests do.
func (p *player) push(ctx context.Context) finding {
	f := finding{Subject: p.r.Name, What: "push of a test"}
	if p.unplayable != "" {
		f.Warning, f.Detail, f.Next = true, "not played, "+p.unplayable, "send a test from the destination's dashboard at Redox, and see it with syncd watch "+p.r.Name
		return f
	}
	status, err := p.send(ctx, p.token, p.credential)
	switch {
	case err != nil:
		f.Detail, f.Next = withoutQuery(err).Error(), p.next(err)
	case status == http.StatusOK:
		f.OK, f.Detail = true, "answered with 200; it lands in "+p.r.Schema+testEnding
	default:
		f.Detail = fmt.Sprintf("answered with %d: Redox would pause the feed and try again", status)
		f.Next = "syncd watch " + p.r.Name + " says why; status, reason and what to do: docs/operations.md"
	}
	return f
}

// send pushes one message once and returns the status.
func (p *player) send(ctx context.Context, token string, credential redox.Credential) (status int, err error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	sent := errors.New("no answer")
	s := p.sender(token, credential, func(a redox.Attempt) {
		status, sent = a.Status, a.Err
		done() // whatever the answer: once is enough
	})
	_ = s.Send(ctx, slices.Values([]*redox.Message{testMessage(p.r, time.Now())}))
	if status != 0 {
		return status, nil
	}
	return 0, sent
}

// testMessage is a message that says of itself that it is a test, of a patient that is none.
func testMessage(r *config.Receiver, now time.Time) *redox.Message {
	kind := "MR"
	if len(r.PatientIDTypes) > 0 {
		kind = r.PatientIDTypes[0]
	}
	m := &redox.Message{LogID: randomUUID(), Attempt: randomUUID(), Source: "syncd-check", Model: "PatientAdmin", EventType: "PatientUpdate", EventAt: now}
	type object = map[string]any
	m.Body, _ = json.Marshal(object{ // of texts: it cannot fail
		"Meta": object{
			"DataModel": m.Model, "EventType": m.EventType, "EventDateTime": now.UTC().Format("2006-01-02T15:04:05.000Z"), "Test": true,
			"Source": object{"ID": m.Source, "Name": "syncd check"}, "Logs": []object{{"ID": m.LogID, "AttemptID": m.Attempt}},
		},
		"Patient": object{"Identifiers": []object{{"ID": "syncd-check", "IDType": kind}}},
	})
	return m
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
