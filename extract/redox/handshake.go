package redox

import (
	"context"
	"net/http"
	"strings"

	"syncd/extract/redox/auth"
)

const (
	tokenName        = "verification-token" // in the body, in the query, and as a header
	longestHandshake = 4 << 10              // bytes of its body
	longestChallenge = 256
)

// handshake is a verification of the destination (reference 1).
type handshake struct {
	form      string // "GET" or "POST"
	challenge string
	token     string // empty where none came
}

// verifyGet answers a GET, which is a handshake or nothing.
func (x *exchange) verifyGet() answer {
	query := x.r.URL.Query()
	challenges, there := query["challenge"]
	if !there {
		return answer{status: http.StatusNotFound, kind: KindStray, reason: "GET without a challenge"}
	}
	h := handshake{form: http.MethodGet}
	if len(challenges) == 1 {
		h.challenge = challenges[0]
	}
	tokens, there := query[tokenName]
	if !there {
		tokens = x.r.Header.Values(tokenName)
	}
	if len(tokens) == 1 {
		h.token = tokens[0]
	}
	return x.verify(h)
}

// verifyUnproven looks whether a POST that the Gate refused is a handshake, whose token may stand in its body alone. Of a body
// that is too large for one, or that waits to be asked for, nothing is read.
func (x *exchange) verifyUnproven(refused error) (answer, bool) {
	if refusal(refused).status != http.StatusUnauthorized {
		return answer{}, false
	}
	if !x.read && (x.r.ContentLength == 0 || x.r.ContentLength > longestHandshake || x.r.Header.Get("Expect") != "" || len(codings(x.r.Header)) > 0) {
		return answer{}, false
	}
	if !x.read {
		x.fetch(longestHandshake)
	}
	if x.failure != nil {
		return answer{}, false
	}
	h, ok := readHandshake(x.raw, x.r.Header)
	if !ok {
		return answer{}, false
	}
	return x.verify(h), true
}

// readHandshake knows the POST form by its shape: an object of two texts, or of the challenge alone where the token is a header.
func readHandshake(body []byte, header http.Header) (handshake, bool) {
	if len(body) > longestHandshake {
		return handshake{}, false
	}
	h := handshake{form: http.MethodPost}
	var challenge, token, message bool
	members := 0
	s := newScan(body)
	s.object(func(name string) bool {
		members++
		switch name {
		case "challenge":
			challenge = s.dec.PeekKind() == '"'
			h.challenge = s.short()
		case tokenName:
			token = s.dec.PeekKind() == '"'
			h.token = s.text(longestHandshake)
		case "Meta", "resourceType":
			message = true
			s.skip()
		default:
			s.skip()
		}
		return true
	})
	if headers := header.Values(tokenName); !token && members == 1 && len(headers) == 1 {
		h.token, token = headers[0], true
	}
	return h, s.ended() && challenge && token && !message
}

// verify judges a handshake, notes it, and gives the challenge back: alone, as plain text, which every form of the
// documentation is content with.
func (x *exchange) verify(h handshake) answer {
	if err := x.judge(func(ctx context.Context, r *auth.Request) error { return x.config.Gate.Handshake(ctx, r, h.token) }); err != nil {
		return refusal(err)
	}
	if !harmless(h.challenge) {
		return answer{status: http.StatusBadRequest, kind: KindMalformed, reason: "the challenge is none that Redox sends"}
	}
	markProven(x.r.Context())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), x.left())
	defer cancel()
	if err := x.config.Inbox.Verified(ctx, x.config.Name, h.form); err != nil {
		return answer{status: http.StatusServiceUnavailable, kind: KindUnavailable, reason: "the handshake could not be noted", cause: err}
	}
	return answer{status: http.StatusOK, kind: KindHandshake, media: "text/plain; charset=utf-8", body: h.challenge}
}

// harmless says that a challenge may be sent back.
func harmless(challenge string) bool {
	return challenge != "" && len(challenge) <= longestChallenge && strings.Trim(challenge, unreserved) == ""
}

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
