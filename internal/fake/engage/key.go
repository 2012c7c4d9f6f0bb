package engage

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key is one that support has issued. A key signs, stands in a header, or both.
type Key struct {
	Public, Private string
	Hash            string // md5, sha256, sha384 or sha512; default sha256
	Header          string // value of X-Engage-Api-Key
	IP              string // the only address that may use it; "": any
	Debug           bool   // test says why authentication fails
	Disabled        bool
	Scope           []string // resources that it may read; nil: all
	Blind           []string // resources that it finds nothing in: support has narrowed it
}

func (k *Key) may(resource string) bool {
	return resource == "test" || k.Scope == nil || slices.Contains(k.Scope, resource)
}

// Sign computes what a request carries in `hash`: section 2.1 of the reference.
func (k *Key) Sign(timeText, random string) string {
	signed := []byte(k.Public + k.IP + timeText + random + k.Private)
	switch k.Hash {
	case "md5":
		sum := md5.Sum(signed)
		return hex.EncodeToString(sum[:])
	case "sha384":
		sum := sha512.Sum384(signed)
		return hex.EncodeToString(sum[:])
	case "sha512":
		sum := sha512.Sum512(signed)
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(signed)
	return hex.EncodeToString(sum[:])
}

// refusal says why a request is not let in. Only test tells, and only for a key in debug mode.
type refusal struct {
	key *Key // the one that was named, if there is one
	why string
}

// authenticate finds the key of a request, and notes in rq what is no secret.
func (s *Server) authenticate(r *http.Request, q params, rq *Request) (*Key, *refusal) {
	if header := r.Header.Get("X-Engage-Api-Key"); header != "" {
		rq.Auth = "header"
		i := slices.IndexFunc(s.keys, func(k *Key) bool { return k.Header == header })
		if i < 0 {
			return nil, &refusal{nil, "unknown key"}
		}
		return s.keys[i], s.allowed(s.keys[i], r)
	}
	at, public, random, hash := q["time"], q["apikey"], q["random"], q["hash"]
	if at == "" || public == "" || random == "" || hash == "" {
		return nil, &refusal{nil, "time, apikey, random and hash are all needed"}
	}
	rq.Auth = "signed"
	seen := s.randoms[random]
	s.randoms[random] = true
	rq.Fresh = !seen
	i := slices.IndexFunc(s.keys, func(k *Key) bool { return k.Public != "" && k.Public == public })
	if i < 0 {
		return nil, &refusal{nil, "unknown key"}
	}
	k := s.keys[i]
	if no := s.allowed(k, r); no != nil {
		return nil, no
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, &refusal{k, "time is not a number"}
	}
	off := time.Duration(s.nowLocked().UnixMilli()-ms) * time.Millisecond
	rq.Age = off
	if off.Abs() > s.knobs.window() || seen && s.knobs.StrictRandom {
		return nil, &refusal{k, fmt.Sprintf("time outside window by %d ms", (off.Abs() - s.knobs.window()).Milliseconds())}
	}
	if s.knobs.UpperHex {
		hash = strings.ToLower(hash)
	}
	want := k.Sign(at, random)
	if subtle.ConstantTimeCompare([]byte(want), []byte(hash)) != 1 {
		return nil, &refusal{k, fmt.Sprintf("hash mismatch, expected algorithm %s (%d hex)", k.algorithm(), len(want))}
	}
	return k, nil
}

func (k *Key) algorithm() string {
	if k.Hash == "md5" {
		return "MD5"
	}
	return "SHA-" + strings.TrimPrefix(k.Hash, "sha")
}

// allowed tells whether a key is in use, and may be used from where the request comes.
func (s *Server) allowed(k *Key, r *http.Request) *refusal {
	peer := s.o.Peer(r)
	switch {
	case k.Disabled:
		return &refusal{k, "key is disabled"}
	case k.IP != "" && peer != k.IP:
		return &refusal{k, "ip " + peer + " is not the registered address"}
	}
	return nil
}
