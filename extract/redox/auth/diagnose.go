package auth

import (
	"context"
	"fmt"
)

// Level says how bad a Finding is.
type Level string

// The levels of a Finding.
const (
	Good    Level = "ok"
	Warning Level = "warning" // pushes are let in, and it could be safer
	Fault   Level = "fault"   // nobody is let in until it is mended
)

// Finding is what looking at a Gate's secrets, keys and upstreams brought to light. It holds no value.
type Finding struct {
	Level Level
	What  string // "verification token 1 (fingerprint 1a2b3c4d) is long enough"
	Next  string // what to do; empty where nothing is
}

// shortestToken is what a token of 128 random bits takes in base64, without padding; we make longer ones.
const shortestToken = 22

// Diagnose reads every secret and key and asks every upstream, once. It changes nothing.
func (g *Gate) Diagnose(ctx context.Context) []Finding {
	var found []Finding
	for i, s := range g.tokens.active {
		found = append(found, diagnoseToken(i+1, s))
	}
	if g.strategy != nil {
		return append(found, g.strategy.diagnose(ctx)...)
	}
	return append(found, Finding{
		Warning, "only the verification token protects this receiver",
		"link an auth credential to the destination at Redox and add [redox.NAME.auth]; docs/redox-auth.md tells how",
	})
}

func diagnoseToken(n int, s *secret) Finding {
	value, err := s.get()
	if err != nil {
		return Finding{Fault, fmt.Sprintf("verification token %d cannot be read: %v", n, err), "put the token where verification_tokens says it is"}
	}
	name := fmt.Sprintf("verification token %d (fingerprint %s)", n, Fingerprint(value))
	if len(value) < shortestToken {
		return Finding{Warning, fmt.Sprintf("%s has %d characters, which can be guessed", name, len(value)), "make another with syncd token new"}
	}
	return Finding{Good, name + " can be read and is long enough", ""}
}
