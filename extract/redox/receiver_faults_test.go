package redox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract"
	"syncd/extract/redox/auth"
)

func checkTryAgain(t *testing.T, r reply) {
	t.Helper()
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != http.StatusServiceUnavailable || err != nil || after > 3 || r.body != "" {
		t.Errorf("status %d, Retry-After %q, body %q; want 503, at most 3, and none", r.status, r.header.Get("Retry-After"), r.body)
	}
}

// H5: one receiver is misconfigured, the other goes on.
func TestMisconfiguredReceiverAnswers503AndTheOthersGoOn(t *testing.T) {
	reason := errors.New("secret file is missing")
	seen := &events{}
	broken := NewReceiver(ReceiverConfig{
		Name: "broken", Options: Options{Path: "/redox/broken", MaxBody: 1 << 20}, Misconfigured: reason, Observe: seen.observe,
	})
	empty := NewReceiver(ReceiverConfig{
		Name: "empty", Options: Options{Path: "/redox/empty", MaxBody: 1 << 20}, Inbox: &memoryInbox{},
		Gate: gateOf(t, auth.Config{Tokens: secrets("")}),
	})
	w := newWorld(t, setting{more: []*Receiver{broken, empty}})
	for _, raw := range []string{
		request("{}", "POST /redox/broken HTTP/1.1"), request("{}", "POST /redox/broken HTTP/1.1", "-Verification-Token"),
		request("", "GET /redox/broken?challenge=x HTTP/1.1"), request("", "POST /redox/broken/oauth/token HTTP/1.1"),
		request("{}", "POST /redox/empty HTTP/1.1"), request("{}", "POST /redox/empty HTTP/1.1", "-Verification-Token", "Verification-Token: "),
	} {
		checkTryAgain(t, w.one(raw))
	}
	if e := seen.list()[0]; e.Receiver != "broken" || e.Kind != KindUnavailable || !errors.Is(e.Cause, reason) {
		t.Errorf("event %+v", e)
	}
	if r := w.one(request("{}")); r.status != http.StatusOK {
		t.Errorf("the other receiver answers %d", r.status)
	}
}

// H6
func TestOldTokenIsGoodAsLongAsItIsListed(t *testing.T) {
	both, one := newWorld(t, setting{tokens: []string{goodToken, oldToken}}), newWorld(t, setting{})
	old := request("{}", "-Verification-Token", "Verification-Token: "+oldToken, "Authorization: Bearer "+oldToken)
	if r := both.one(old); r.status != http.StatusOK {
		t.Errorf("in the window: %d", r.status)
	}
	if r := one.one(old); r.status != http.StatusUnauthorized {
		t.Errorf("after it: %d", r.status)
	}
}

// H10: a body that is announced and never comes, and one that ends early.
func TestBodyThatStallsOrEndsEarlyIsNotKept(t *testing.T) {
	w := newWorld(t, setting{})
	hurried := newWorld(t, setting{allowed: func(a *allowance) { a.body, a.linger = 50*time.Millisecond, 50*time.Millisecond }})
	for _, raw := range []string{
		request("{", "-Content-Length", "Content-Length: 500", "-Connection"),
		request("", "-Content-Length", "Transfer-Encoding: chunked", "-Connection") + "5\r\n{",
	} {
		if r := hurried.one(raw); r.status != http.StatusRequestTimeout { // and the connection was closed
			t.Errorf("status %d, want 408", r.status)
		}
		c := w.dial()
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		if all := answers(c); len(all) != 1 || all[0].status != http.StatusBadRequest {
			t.Errorf("ended early: answers %v, want 400", statuses(all))
		}
		c.Close()
	}
	if n := len(w.inbox.deliveries()) + len(hurried.inbox.deliveries()); n != 0 {
		t.Errorf("%d deliveries kept", n)
	}
}

// H25, H29: the same bytes, fifty times at once and a year later.
func TestRetriesAreOneDelivery(t *testing.T) {
	now := noon
	var mu sync.Mutex
	w := newWorld(t, setting{now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if r := w.one(request(arrivalOf("h", ""))); r.status != http.StatusOK {
				t.Errorf("status %d", r.status)
			}
		})
	}
	wait.Wait()
	mu.Lock()
	now = now.AddDate(1, 0, 0)
	mu.Unlock()
	if r := w.one(request(arrivalOf("h", ""))); r.status != http.StatusOK || r.body != "{}" {
		t.Errorf("a year later: %d %q", r.status, r.body)
	}
	kinds := map[RequestKind]int{}
	for _, e := range w.events.list() {
		kinds[e.Kind]++
	}
	if n := len(w.inbox.deliveries()); n != 1 || kinds[KindPush] != 1 || kinds[KindDuplicate] != 50 {
		t.Errorf("%d deliveries, kinds %v", n, kinds)
	}
}

// H32: nothing is acknowledged that could not be kept, and what was kept without our knowing is a duplicate.
func TestWhatCannotBeKeptIsNotAcknowledged(t *testing.T) {
	away := true
	w := newWorld(t, setting{})
	w.inbox.accept = func(context.Context, *extract.Delivery) error {
		if away {
			return errAway
		}
		return nil
	}
	checkTryAgain(t, w.one(request(arrivalOf("h", ""))))
	away = false
	w.inbox.after = func() error { return errors.New("the reply to COMMIT was lost") }
	checkTryAgain(t, w.one(request(arrivalOf("h", ""))))
	w.inbox.after = nil
	if r := w.one(request(arrivalOf("h", ""))); r.status != http.StatusOK {
		t.Errorf("retry: %d", r.status)
	}
	last := w.events.list()
	if n := len(w.inbox.deliveries()); n != 1 || last[2].Kind != KindDuplicate || !errors.Is(last[0].Cause, errAway) {
		t.Errorf("%d deliveries, events %+v", n, last)
	}
}

// H33: what a sender does not wait for is kept all the same.
func TestSenderThatGoesAwayChangesNothing(t *testing.T) {
	w := newWorld(t, setting{})
	ctx, goAway := context.WithCancel(t.Context())
	w.inbox.accept = func(ctx context.Context, _ *extract.Delivery) error {
		goAway()
		return ctx.Err()
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, hospitalPath, strings.NewReader(arrivalOf("h", "")))
	r.Header.Set("Verification-Token", goodToken)
	w.rc.ServeHTTP(httptest.NewRecorder(), r)
	if n := len(w.inbox.deliveries()); n != 1 {
		t.Errorf("%d deliveries kept", n)
	}
	w.inbox.accept = nil
	if r := w.one(request(arrivalOf("h", ""))); r.status != http.StatusOK || len(w.inbox.deliveries()) != 1 {
		t.Errorf("retry: %d, %d deliveries", r.status, len(w.inbox.deliveries()))
	}
}

// H34: what is in hand is finished, nothing new is taken, and nothing that was acknowledged is lost.
func TestShutdownFinishesWhatIsInHand(t *testing.T) {
	const senders = 100
	in, goOn := make(chan struct{}, senders), make(chan struct{})
	w := newWorld(t, setting{})
	w.inbox.accept = func(context.Context, *extract.Delivery) error {
		in <- struct{}{}
		<-goOn
		return nil
	}
	got := make(chan int, senders)
	for i := range senders {
		go func() { got <- w.one(request(arrivalOf(fmt.Sprint(i), ""))).status }()
	}
	for range senders {
		<-in
	}
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Shutdown(t.Context()) }()
	w.served <- <-w.served // the listener is closed first
	if c, err := net.Dial("tcp", w.addr); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
	close(goOn)
	acknowledged := 0
	for range senders {
		if status := <-got; status == http.StatusOK {
			acknowledged++
		} else if status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := len(w.inbox.deliveries()); n != senders || acknowledged != senders {
		t.Errorf("%d acknowledged, %d kept, want %d", acknowledged, n, senders)
	}
}

// H35: more than there is room for is answered with 503, and room comes back.
func TestFloodIsAnsweredWith200Or503(t *testing.T) {
	const senders, room = 60, 20
	w := newWorld(t, setting{allowed: func(a *allowance) { a.memory = time.Millisecond }})
	w.rc.memory = newMemory(room<<smallest, 1<<20)
	goOn := make(chan struct{})
	w.inbox.accept = func(context.Context, *extract.Delivery) error { <-goOn; return nil }
	got := make(chan int, senders)
	for i := range senders {
		go func() { got <- w.one(request(arrivalOf(fmt.Sprint(i), ""))).status }()
	}
	counts := map[int]int{}
	for range senders - room { // these get no room
		counts[<-got]++
	}
	close(goOn)
	for range room {
		counts[<-got]++
	}
	if counts[200] != room || counts[503] != senders-room || len(w.inbox.deliveries()) != room {
		t.Errorf("answers %v, %d kept; room for %d", counts, len(w.inbox.deliveries()), room)
	}
	if r := w.one(request(arrivalOf("later", ""))); r.status != http.StatusOK {
		t.Errorf("later: %d", r.status)
	}
}

// Our own time is bounded even where the inbox still reads the body, whose room is the inbox's until it lets go.
func TestInboxThatHangsIsNotWaitedFor(t *testing.T) {
	goOn, whole := make(chan struct{}), make(chan bool, 1)
	w := newWorld(t, setting{allowed: func(a *allowance) { a.own, a.memory = 20*time.Millisecond, time.Millisecond }})
	w.rc.memory = newMemory(1<<smallest, 1<<20) // for one body
	w.inbox.accept = func(_ context.Context, d *extract.Delivery) error {
		<-goOn
		whole <- sha256.Sum256(d.Body) == d.SHA256
		return nil
	}
	checkTryAgain(t, w.one(request(arrivalOf("slow", ""))))
	checkTryAgain(t, w.one(request(strings.Repeat("x", 200))))
	e := w.events.list()
	if !errors.Is(e[0].Cause, errSlowInbox) || e[1].Reason != "no room for its body now" {
		t.Errorf("events %+v", e)
	}
	close(goOn)
	if !<-whole {
		t.Error("the body changed while the inbox had it")
	}
	w.rc.allowed = granted
	if r := w.one(request(arrivalOf("later", ""))); r.status != http.StatusOK {
		t.Errorf("later: %d", r.status)
	}
}

func TestQueriesAreKeptAndAnsweredByTheirKind(t *testing.T) {
	query := func(model, event string) string {
		return fmt.Sprintf(`{"Meta":{"DataModel":%q,"EventType":%q,"Logs":[{"ID":"%s-%s"}]}}`, model, event, model, event)
	}
	fhir := `{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","eventUri":"https://fhir.redoxengine.com/EventDefinition/ScheduleQuery"}}]}`
	refused, empty := newWorld(t, setting{onQuery: queryRefused}), newWorld(t, setting{onQuery: queryEmpty})
	for i, c := range []struct {
		body   string
		answer string // Meta of the empty answer; "" where it is no query
	}{
		{query("PatientSearch", "Query"), `{"DataModel":"PatientSearch","EventType":"Response",`},
		{query("PatientSearch", "LocationQuery"), `{"DataModel":"PatientSearch","EventType":"LocationQueryResponse",`},
		{query("Clinical Summary", "DocumentGet"), `{"DataModel":"ClinicalSummary","EventType":"DocumentGetResponse",`},
		{query("Clinical Decisions", "Request"), `{"DataModel":"ClinicalDecisions","EventType":"Response",`},
		{query("Scheduling", "Booked"), `{"DataModel":"Scheduling","EventType":"BookedResponse",`},
		{query("Scheduling", "AvailableSlots"), `{"DataModel":"Scheduling","EventType":"AvailableSlotsResponse",`},
		{query("Coverage\"s", "EligibilityQuery"), `{"DataModel":"Coverage\"s","EventType":"EligibilityQueryResponse",`},
		{fhir, `OperationOutcome`},
		{query("SSO", "Sign-on"), ""},
		{query("Horoscope", "Request"), ""},
		{query("PatientSearch", "Response"), ""},
		{query("Order", "New"), ""},
	} {
		r, e := refused.one(request(c.body)), empty.one(request(c.body))
		wantRefused := http.StatusNotImplemented
		if c.answer == "" {
			wantRefused = http.StatusOK
		}
		if r.status != wantRefused || e.status != http.StatusOK {
			t.Errorf("%s: %d and %d", c.body, r.status, e.status)
		}
		if !strings.Contains(e.body, c.answer) || c.answer == "" && e.body != "{}" || c.answer != "" && c.answer != "OperationOutcome" && !strings.Contains(e.body, `"Errors":[{`) {
			t.Errorf("%s: empty answer %s", c.body, e.body)
		}
		if len(refused.inbox.deliveries()) != i+1 || len(empty.inbox.deliveries()) != i+1 {
			t.Errorf("%s: not kept", c.body)
		}
	}
	if r := empty.one(request(fhir)); r.header.Get("Content-Type") != "application/fhir+json" {
		t.Errorf("FHIR is answered as %s", r.header.Get("Content-Type"))
	}
}

// A large body takes one block; one that is larger than all that there is room for is taken alone, not never.
func TestBodyOf40MegabytesIsTaken(t *testing.T) {
	w := newWorld(t, setting{})
	body := arrivalOf("big", `,"Media":{"FileContents":"`+strings.Repeat("QUJD", 10<<20)+`"}`)
	for _, raw := range []string{
		request(body), request("", "-Content-Length", "Transfer-Encoding: chunked") + chunked(body, 1<<20), request(zipped(body), "Content-Encoding: gzip"),
	} {
		if r := w.one(raw); r.status != http.StatusOK {
			t.Errorf("status %d", r.status)
		}
	}
	if all := w.inbox.deliveries(); len(all) != 1 || string(all[0].Body) != body || all[0].Key != "log:big" {
		t.Errorf("%d deliveries kept", len(all))
	}
	if e := w.events.list()[0]; e.Bytes != len(body) || e.Model != "PatientAdmin" {
		t.Errorf("event %+v", e)
	}
	small := newMemory(1<<20, 1<<20)
	b, err := small.take(t.Context(), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	b.back()
}
