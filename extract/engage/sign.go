package engage

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"syncd/extract"
)

// algorithms are the digests that keys are issued for, by their name in jobs.toml.
func algorithms() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{"md5": md5.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
}

// signature is what proves who asks (reference 2.1): a digest over the keys, an instant and a text that is used once.
type signature struct {
	public, private string
	ip              string // empty where the key is not restricted to an address
	time            string // milliseconds since 1970 in UTC, in decimal
	random          string
}

// hash returns the digest in lower-case hexadecimal digits. Nothing stands between the parts and nothing in them is
// escaped.
func (s signature) hash(digest hash.Hash) string {
	for _, part := range []string{s.public, s.ip, s.time, s.random, s.private} {
		digest.Write([]byte(part))
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// query returns the four parameters as they are added to a URL. The address is hashed and not sent.
func (s signature) query(digest hash.Hash) string {
	return "time=" + escape(s.time) + "&apikey=" + escape(s.public) + "&random=" + escape(s.random) + "&hash=" + s.hash(digest)
}

// escape writes a blank as %20: a plus is read as a blank by some servers and as a plus by others.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// sign is called for every attempt, after the budget and the wait between two attempts: a signature is good for 30 s.
func (c *Client) sign(req *http.Request) error {
	if c.cfg.Access.auth() == authHeader {
		key, err := c.secret(req.Context(), "api_key", c.cfg.APIKey)
		if err != nil {
			return err
		}
		req.Header.Set(keyHeader, key)
		return nil
	}
	public, err := c.secret(req.Context(), "public_key", c.cfg.PublicKey)
	if err != nil {
		return err
	}
	private, err := c.secret(req.Context(), "private_key", c.cfg.PrivateKey)
	if err != nil {
		return err
	}
	ip, err := c.address.text(req.Context())
	if err != nil {
		return err
	}
	s := signature{public: public, private: private, ip: ip, random: guid(), time: strconv.FormatInt(c.clock.now().UnixMilli(), 10)}
	if req.URL.RawQuery != "" {
		req.URL.RawQuery += "&"
	}
	req.URL.RawQuery += s.query(c.digest())
	return nil
}

// keyHeader carries the key where nothing is signed.
const keyHeader = "X-Engage-Api-Key"

// secret reads a secret anew, so that a replaced one counts from the next attempt on.
func (c *Client) secret(ctx context.Context, key string, read func(context.Context) (string, error)) (string, error) {
	fault := func(cause error) error {
		return &extract.Error{Kind: extract.KindConfig, What: "read " + key, Where: c.name, Cause: cause}
	}
	if read == nil {
		return "", fault(errors.New("there is none"))
	}
	value, err := read(ctx)
	if known := (*extract.Error)(nil); errors.As(err, &known) {
		return "", err
	} else if err != nil {
		return "", fault(err)
	}
	value = strings.TrimSpace(value)
	if value == "" {
		return "", fault(errors.New("it is empty"))
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fault(errors.New("it holds control characters"))
	}
	return value, nil
}

// guid returns a random UUID of version 4 in lower case.
func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it ends the program rather than fail
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// validFor is how long a signature is believed, before and after the server's own time.
const validFor = 30 * time.Second
