package redox

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"syncd/extract"
	"syncd/extract/redox/auth"
)

func TestReplacedReceiversFinishWhatTheyHaveAndTakeNothingMore(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, setting{})
	w.inbox.accept = func(context.Context, *extract.Delivery) error {
		close(entered)
		<-leave
		return nil
	}
	inHand := make(chan reply, 1)
	go func() { inHand <- w.send(request(arrivalOf("one", "")))[0] }()
	<-entered

	next := &memoryInbox{}
	w.server.Replace(Served{Receivers: []*Receiver{NewReceiver(ReceiverConfig{
		Name: "hospital", Options: Options{Path: "/redox/hospital-next", MaxBody: 1 << 20}, Gate: gateOf(t, auth.Config{Tokens: secrets("the-next-token-of-the-hospital")}), Inbox: next,
	})}})
	elsewhere := request(arrivalOf("two", ""), "POST /redox/hospital-next HTTP/1.1")
	if r := w.one(request(arrivalOf("two", ""))); r.status != http.StatusNotFound {
		t.Errorf("the path that is gone answers %d", r.status)
	}
	if r := w.one(elsewhere); r.status != http.StatusUnauthorized {
		t.Errorf("the token that is gone is answered with %d", r.status)
	}
	elsewhere = request(arrivalOf("two", ""), "POST /redox/hospital-next HTTP/1.1", "-Verification-Token", "Verification-Token: the-next-token-of-the-hospital")
	if r := w.one(elsewhere); r.status != http.StatusOK {
		t.Errorf("path and token that are new: %d", r.status)
	}
	close(leave)
	if r := <-inHand; r.status != http.StatusOK {
		t.Errorf("the push that was in hand: %d", r.status)
	}
	if old, now := len(w.inbox.deliveries()), len(next.deliveries()); old != 1 || now != 1 {
		t.Errorf("kept %d by the receiver before and %d by the one after", old, now)
	}
}

func TestAReceiverThatIsMendedLetsIn(t *testing.T) {
	broken := NewReceiver(ReceiverConfig{Name: "hospital", Options: Options{Path: hospitalPath, MaxBody: 1 << 20}, Misconfigured: errors.New("its secret is missing"), Inbox: &memoryInbox{}})
	w := newWorld(t, setting{config: func(c *ServerConfig) { c.Receivers = []*Receiver{broken} }})
	if r := w.one(request(arrivalOf("one", ""))); r.status != http.StatusServiceUnavailable {
		t.Errorf("misconfigured: %d", r.status)
	}
	w.server.Replace(Served{Receivers: []*Receiver{w.rc}})
	if r := w.one(request(arrivalOf("one", ""))); r.status != http.StatusOK {
		t.Errorf("mended: %d", r.status)
	}
}
