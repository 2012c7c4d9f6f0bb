package engage

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// certificateNoted is how many days before its end a certificate is worth a word.
const certificateNoted = 14

// Check looks at the connection to the campus: keys, way, certificate, address, whether we are let in, clocks. Where the
// key is refused, which Engage does without a reason, it says what may be wrong, and what to ask support for.
func (c *Client) Check(ctx context.Context) []extract.Finding {
	if f, ok := c.checkKeys(ctx); !ok {
		return []extract.Finding{f}
	}
	if c.address.auto() {
		if _, err := c.address.text(ctx); err != nil {
			return []extract.Finding{failed("ip", err)}
		}
	}
	messages, ok, err := c.Test(ctx)
	found := c.reached(err)
	switch {
	case err == nil && ok:
		found = append(found, extract.Finding{What: "key", OK: true, Detail: "accepted" + quotedMessages(messages)})
	case err == nil:
		found = append(found, extract.Finding{What: "key", Detail: "refused" + quotedMessages(messages), Next: "Engage's own words say what to change."})
		found = append(found, c.diagnosis(ctx)...)
	case turnedAway(err):
		found = append(found, failed("key", err))
		found[len(found)-1].Next = "Engage does not say why. What follows are the usual reasons, the commonest first."
		found = append(found, c.diagnosis(ctx)...)
		return found
	case extract.KindOf(err) == extract.KindRights, statusOf(err) == http.StatusNotFound:
		found = append(found, extract.Finding{
			What: "key", Warning: true, Detail: fmt.Sprintf("test answers status %d: whether the key is let in, the resources show", statusOf(err)),
		})
	default:
		return append(found, failed(blame(err), err))
	}
	return append(found, c.checkClock())
}

// CheckResource asks for one item of a resource. name is as it stands in the job.
func (c *Client) CheckResource(ctx context.Context, name, path string, params url.Values) extract.Finding {
	e, err := c.Page(ctx, path, params, 1, 1, func(jsontext.Value) error { return nil })
	switch {
	case err == nil:
		return extract.Finding{What: name, OK: true, Detail: fmt.Sprintf("%d listed", e.TotalItems)}
	case extract.KindOf(err) == extract.KindRights:
		f := failed(name, err)
		f.Warning, f.Detail = true, f.Detail+"; it is left out, and nothing of it is deleted"
		return f
	}
	return failed(name, err)
}

// checkKeys reads the secrets.
func (c *Client) checkKeys(ctx context.Context) (extract.Finding, bool) {
	keys := []string{"public_key", "private_key"}
	reads := []func(context.Context) (string, error){c.cfg.PublicKey, c.cfg.PrivateKey}
	if c.cfg.Access.auth() == authHeader {
		keys, reads = []string{"api_key"}, reads[:0]
		reads = append(reads, c.cfg.APIKey)
	}
	for i, key := range keys {
		if _, err := c.secret(ctx, key, reads[i]); err != nil {
			return failed(key, err), false
		}
	}
	return extract.Finding{}, true
}

// reached says which way was taken, as far as one was.
func (c *Client) reached(err error) []extract.Finding {
	way, ok := c.up.Way()
	if !ok {
		if blame(err) == "reachable" {
			return nil // the failure says it all
		}
		return []extract.Finding{{What: "reachable", Detail: c.Server() + " was not reached"}}
	}
	detail := c.Server() + " at " + way.Remote
	if way.Proxy != "" {
		detail = c.Server() + " through the proxy " + way.Proxy
	}
	found := []extract.Finding{{What: "reachable", OK: true, Detail: detail}}
	if way.TLS == "" {
		return append(found, extract.Finding{What: "tls", OK: true, Detail: "none: loopback"})
	}
	days := way.DaysLeft(time.Now())
	tls := extract.Finding{What: "tls", OK: true, Detail: fmt.Sprintf("%s, certificate of %s by %s, %d days left", way.TLS, way.Peer, way.Issuer, days)}
	if days < certificateNoted {
		tls.Next = "Tell Engage support that the certificate ends soon."
	}
	return append(found, tls)
}

// checkClock compares the clocks of a connection that works.
func (c *Client) checkClock() extract.Finding {
	offset, ok := c.Clock()
	if !ok {
		return extract.Finding{What: "clock", Warning: true, Detail: "the server does not tell its time, so nothing is known of ours", Next: nextNTP}
	}
	f := extract.Finding{What: "clock", OK: true, Detail: "the clock of this machine " + skewWords(offset)}
	if said := c.Warnings(); len(said) > 0 {
		f.OK, f.Warning, f.Next = false, true, nextNTP
		f.Detail = strings.TrimSuffix(said[0], ". "+nextNTP)
	}
	return f
}

// diagnosis says what may be the reason that a key is refused.
func (c *Client) diagnosis(ctx context.Context) []extract.Finding {
	note := func(what string, ok bool, detail, next string) extract.Finding {
		return extract.Finding{What: what, OK: ok, Warning: !ok, Detail: detail, Next: next}
	}
	if c.cfg.Access.auth() == authHeader {
		return []extract.Finding{
			note("header", false, "the key was sent as "+keyHeader, `A key of version 2 that came with a private key is for auth = "signed". A key that begins with esk_ is for version 3 of the API, which syncd does not read.`),
			note("support", false, "the key may be disabled, or restricted to an address"+c.wayOut(), nextSupport),
		}
	}
	return []extract.Finding{
		c.diagnoseClock(),
		c.diagnoseAddress(ctx),
		note("hash", false, fmt.Sprintf("%s, %d hexadecimal digits in lower case", c.cfg.Access.hash(), 2*c.digest().Size()),
			"The algorithm was fixed when the key was issued (md5 32, sha256 64, sha384 96, sha512 128 digits): set hash to it."),
		note("fields", true, c.signedText(), "The keys tell upper from lower case. See that public_key and private_key are not exchanged and are of the same campus."),
		note("support", false, "a key can be disabled, and only Engage sees why it refuses", nextSupport),
	}
}

// nextSupport is what only Engage's support can do.
const nextSupport = "Ask Engage support, through your campus's primary contact: is the key enabled, for which algorithm, to which one IPv4 address " +
	"is it restricted, for which resources; and to put it into debug mode. Then type syncd check again: it shows what test says."

func (c *Client) diagnoseClock() extract.Finding {
	offset, ok := c.Clock()
	f := extract.Finding{What: "clock", OK: ok && offset.Abs() <= validFor}
	_, corrected := c.clock.corrected()
	switch {
	case !ok:
		f.Detail = "the server does not tell its time; a signature is good for 30 s before and after it"
	case f.OK && !corrected:
		f.Detail = "the clock of this machine " + skewWords(offset) + ", and a signature is good for 30 s: this is not the reason"
		return f
	case offset.Abs() > skewBelieved:
		f.Detail = "the clock of this machine " + skewWords(offset) + ": too much to be made up for"
	default:
		f.OK = false
		f.Detail = "the clock of this machine " + skewWords(offset) + "; a request signed by the server's time was refused as well, so there is another reason beside it"
	}
	f.Warning, f.Next = true, nextNTP
	return f
}

func (c *Client) diagnoseAddress(ctx context.Context) extract.Finding {
	f := extract.Finding{What: "ip", Warning: true}
	ip, _ := c.address.text(ctx)
	switch {
	case ip == "":
		f.Detail = "signed without an address" + c.wayOut()
		f.Next = "If the campus registered an address for this key, set ip to it; a key without one must be signed without."
	case c.address.auto():
		f.Detail = "signed with " + ip + ", which the page of ip answered" + c.wayOut()
		f.Next = "It must be the one address that the campus registered, and Engage must see it. If the way out changes (failover, a pool of addresses), ask support to lift the restriction."
	default:
		f.Detail = "signed with " + ip + c.wayOut()
		f.Next = `Engage must see requests come from this address: ask your network's administrators by which one this machine goes out, or set ip = "auto:https://..." to a page of your own that answers it. ` +
			"If the key has no restriction, leave ip out."
	}
	return f
}

// wayOut says by which way requests leave, which decides the address that Engage sees.
func (c *Client) wayOut() string {
	if way, ok := c.up.Way(); ok && way.Proxy != "" {
		return "; requests go out through the proxy " + way.Proxy + ", whose address is the one that Engage sees"
	}
	return "; requests go out without a proxy"
}

func (c *Client) signedText() string {
	order := "public key, time in milliseconds, random, private key"
	if c.cfg.Access.IP != "" {
		order = "public key, ip, time in milliseconds, random, private key"
	}
	return "signed are " + order + ", with nothing between them"
}

func quotedMessages(messages []string) string {
	if len(messages) == 0 {
		return ""
	}
	return fmt.Sprintf("; test says: %q", strings.Join(messages, "; "))
}

// blame names the thing that an error is about.
func blame(err error) string {
	switch extract.KindOf(err) {
	case extract.KindAuth:
		return "key"
	case extract.KindConfig:
		return "configuration"
	case extract.KindTLS:
		return "tls"
	}
	return "reachable"
}

func failed(what string, err error) extract.Finding {
	return extract.Failed(what, err, "Type syncd check again in a minute; if it stays, show this line to Engage support.")
}
