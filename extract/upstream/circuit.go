package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"syncd/extract"
)

// ErrDown is in the chain of an error of Do where nothing was sent because the server is known to be down.
var ErrDown = errors.New("the server is down")

// Circuit keeps requests from a server that is down. One is shared by all clients of a server.
type Circuit interface {
	// Admit answers whether a request may be sent. down is empty where it may; else it says in words since when not and
	// why. probe marks the one request that is let through to find out whether the server is back: it is tried once.
	Admit(ctx context.Context) (down string, probe bool, err error)
	// Settle tells how a request ended after its last attempt: failure is empty where the server answered, else it is
	// a few words for what is wrong with the server.
	Settle(ctx context.Context, failure string) error
}

// downError says that a server is down in the words of its circuit.
type downError struct{ words string }

func (e *downError) Error() string        { return e.words }
func (e *downError) Is(target error) bool { return target == ErrDown }

// admit asks the circuit for r. The request that probes is tried once.
func (c *Client) admit(ctx context.Context, r *Request) error {
	if c.endpoint.Circuit == nil {
		return nil
	}
	down, probe, err := c.endpoint.Circuit.Admit(ctx)
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case err != nil:
		return extract.Errorf(extract.KindTransient, "ask whether the server is down", "%w", err)
	case down != "":
		return &extract.Error{Kind: extract.KindTransient, Cause: &downError{down}, Next: "syncd goes on by itself once the server is back: syncd status"}
	case probe:
		r.Tries = 1
	}
	return nil
}

// settle tells the circuit how a request ended. outage is what the caller made of the answer's content. A failure of a
// request that its caller tries again in its own way (it said how often) is not the last word about the server.
func (c *Client) settle(ctx context.Context, own bool, outage string, err error) {
	if c.endpoint.Circuit == nil || ctx.Err() != nil {
		return
	}
	failure, tells := judgeServer(err)
	if outage != "" {
		failure, tells = outage, true
	} else if failure != "" && own {
		return
	}
	if !tells {
		return
	}
	if err := c.endpoint.Circuit.Settle(ctx, failure); err != nil {
		c.log.WarnContext(ctx, "the circuit could not be told how a request ended", "error", err)
	}
}

// judgeServer says in a few words what is wrong with the server, by the last error of a request: nothing where it
// answered, be it with a refusal. tells is false where the request says nothing of the server.
func judgeServer(err error) (failure string, tells bool) {
	if err == nil {
		return "", true
	}
	var refusal *Refusal
	switch kind := extract.KindOf(err); {
	case errors.Is(err, errUnpaced):
		return "", false
	case kind == extract.KindTransient && errors.As(err, &refusal):
		busy := refusal.Status == http.StatusTooManyRequests || refusal.Status == http.StatusTooEarly
		return fmt.Sprintf("status %d", refusal.Status), !busy
	case kind == extract.KindTransient && errors.Is(err, ErrTimeout):
		return "server too slow", true
	case kind == extract.KindTransient:
		return "server unreachable", true
	case kind == extract.KindGarbled, kind == extract.KindConfig, kind == extract.KindPostgres, kind == extract.KindInternal:
		return "", false
	}
	return "", true
}
