package redox

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"syncd/extract"
	"syncd/extract/redox/auth"
)

// ReceiverConfig is what a Receiver is made of.
type ReceiverConfig struct {
	Name string // deliveries carry it as their destination
	Options
	Gate          *auth.Gate // nil where it could not be made: then everything is answered with 503
	Misconfigured error      // why Gate is nil, for the log
	Inbox         Inbox
	Now           func() time.Time // default time.Now
	Observe       func(Event)      // is told of every request; may be nil. It must not wait
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

// What a Receiver grants a request. Tests grant less.
type allowance struct {
	own     time.Duration // for judging and keeping it, without the time that its body takes to come
	memory  time.Duration // of it, for waiting until there is room for its body
	body    time.Duration // for its body to come, beside a second for every slowest bytes
	slowest int           // bytes a second
	linger  time.Duration // for the rest of a body that is not wanted, before the connection is closed
	headers int           // how many
	retry   string        // seconds after which a sender may try again, as it is told
	first   int           // bytes of a body that room is taken for before any has come
}

var granted = allowance{
	own: 10 * time.Second, memory: 5 * time.Second, body: 30 * time.Second, slowest: 64 << 10, linger: time.Second, headers: 200, retry: "2", first: 16 << 10,
}

// Receiver takes what is pushed to one destination. Its contract with the sender: 200 and nothing else once the delivery is in
// the Inbox, whatever it is worth; 401 to whom the Gate does not let in; 408, 413 and 415 where no body came that could be
// kept; 503 where it cannot be judged or kept now, so that the sender tries again.
type Receiver struct {
	config  ReceiverConfig
	allowed allowance
	memory  *memory
}

// NewReceiver makes a Receiver. It asks nobody.
func NewReceiver(c ReceiverConfig) *Receiver {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	return &Receiver{config: c, allowed: granted, memory: newMemory(smallBodies, largeBodies)}
}

// ServeHTTP answers one request, at any path: a Server sends it those of its own.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Receiver: rc, w: w, r: r, control: http.NewResponseController(w), began: time.Now()}
	e := Event{At: rc.config.Now(), Receiver: rc.config.Name, Peer: peerOf(r, rc.config.TrustedProxies), Method: methodOf(r)}
	a := x.answer()
	x.send(a)
	x.release()
	e.Kind, e.Status, e.Reason, e.Cause = a.kind, a.status, a.reason, a.cause
	e.Model, e.EventType, e.Test, e.Bytes, e.Took = x.about.model, x.about.event, x.about.test, x.size, time.Since(x.began)
	rc.config.Observe(e)
}

// exchange is one request and what is known of it so far.
type exchange struct {
	*Receiver
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	began   time.Time
	coming  time.Duration // how long the body took to come
	waited  time.Duration // how long there was no room for it
	proven  bool          // the Gate let it in
	room    []func()      // gives back what was set aside for it

	read    bool   // the body was asked for
	raw     []byte // the body as it came
	failure error  // why it did not
	size    int    // of the body as kept
	about   envelope
}

func (x *exchange) answer() answer {
	switch {
	case x.config.Gate == nil:
		return answer{status: http.StatusServiceUnavailable, kind: KindUnavailable, reason: "receiver is misconfigured", cause: x.config.Misconfigured}
	case len(x.r.Header) > x.allowed.headers:
		return answer{status: http.StatusRequestHeaderFieldsTooLarge, kind: KindMalformed, reason: "too many headers"}
	case x.r.Method == http.MethodPost:
		return x.push()
	case x.r.Method == http.MethodGet:
		return x.verifyGet()
	}
	return answer{status: http.StatusMethodNotAllowed, kind: KindStray, reason: "neither GET nor POST", allow: "GET, POST"}
}

// push judges the sender first, then reads, then keeps.
func (x *exchange) push() answer {
	if err := x.judge(x.config.Gate.Check); err != nil {
		if a, ok := x.verifyUnproven(err); ok {
			return a
		}
		return refusal(err)
	}
	x.proven = true
	markProven(x.r.Context())
	body, err := x.body()
	if err != nil {
		return refusal(err)
	}
	if h, ok := readHandshake(body, x.r.Header); ok {
		return x.verify(h)
	}
	x.size = len(body)
	return x.keep(body)
}

// judge asks the Gate, for as long as is left.
func (x *exchange) judge(check func(context.Context, *auth.Request) error) error {
	ctx, cancel := context.WithTimeout(x.r.Context(), x.left())
	defer cancel()
	return check(ctx, &auth.Request{Request: x.r, Bytes: x.bytes})
}

// left is what is left of our own time.
func (x *exchange) left() time.Duration { return x.allowed.own - (time.Since(x.began) - x.coming) }

// keep hands a body to the inbox and words the answer.
func (x *exchange) keep(body []byte) answer {
	x.about = readEnvelope(body)
	sum := sha256.Sum256(body)
	d := &extract.Delivery{
		Destination: x.config.Name, Key: x.about.key(sum), SHA256: sum, ReceivedAt: x.config.Now().UTC().Truncate(time.Microsecond),
		SourceID: x.about.source, Model: x.about.model, EventType: x.about.event, EventAt: x.about.at, Test: x.about.test, Body: body,
	}
	known, err := x.accept(d)
	switch {
	case err != nil:
		return answer{status: http.StatusServiceUnavailable, kind: KindUnavailable, reason: "it could not be made durable", cause: err}
	case x.about.asks():
		return x.notAnswered()
	case known:
		return answer{status: http.StatusOK, kind: KindDuplicate}
	}
	return answer{status: http.StatusOK, kind: KindPush}
}

var errSlowInbox = errors.New("the inbox did not answer in time")

// accept waits for the inbox until our time is up. A sender that goes away changes nothing. What is set aside for the body is
// given back only after the inbox has let go of it.
func (x *exchange) accept(d *extract.Delivery) (known bool, err error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(x.r.Context()), x.left(), errSlowInbox)
	defer cancel()
	room := x.room
	x.room = nil
	return x.config.Inbox.Accept(ctx, d, func() { giveBack(room) })
}

func (x *exchange) release() {
	giveBack(x.room)
	x.room = nil
}

func giveBack(room []func()) {
	for _, back := range room {
		back()
	}
}
