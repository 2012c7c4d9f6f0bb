package redox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver is the other end in tests: it keeps what came, and answers as it is told.
type receiver struct {
	*httptest.Server
	answer func(log string, times int) int // status of a request, times that its log came before; nil: always 200

	mu       sync.Mutex
	bodies   []string
	accepted []string // log ids that were answered with 200, in order
	times    map[string]int
	headers  []http.Header
	urls     []string
}

func newReceiver(t *testing.T, answer func(log string, times int) int) *receiver {
	r := &receiver{answer: answer, times: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, rq *http.Request) {
	body, err := io.ReadAll(rq.Body)
	if err != nil {
		return
	}
	log := string(body)
	if i := strings.Index(log, `"Logs":[{"ID":"`); i >= 0 {
		log = log[i+15 : i+15+36]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	status := http.StatusOK
	if r.answer != nil {
		status = r.answer(log, r.times[log])
	}
	r.times[log]++
	r.bodies = append(r.bodies, string(body))
	r.headers = append(r.headers, rq.Header.Clone())
	r.urls = append(r.urls, rq.URL.String())
	if status == http.StatusOK {
		r.accepted = append(r.accepted, log)
	}
	w.WriteHeader(status)
}

// messages are plain ones of several models and patients.
func messages(n, models, patients int) []*Message {
	d, all := dice(7), []*Message{}
	ends := newSystems(&d)
	for i := range n {
		m := &Message{
			LogID: d.uuid(), Attempt: d.uuid(), Source: ends.source, Model: fmt.Sprintf("Model%d", i%models), EventType: "New",
			EventAt: firstMorning.Add(time.Duration(i) * time.Second), Patient: fmt.Sprint(d.below(patients)),
		}
		m.Body = dialect{}.append(nil, object{"Meta", ends.meta(m, false, i)})
		all = append(all, m)
	}
	return all
}

// atOnce lets no time pass.
func atOnce(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func TestEachQueueIsFirstInFirstOutWhateverFails(t *testing.T) {
	all := messages(600, 3, 40)
	r := newReceiver(t, func(log string, times int) int {
		if times < int(log[0])%3 { // some fail once or twice
			return []int{503, 500, 401}[times]
		}
		return 200
	})
	for _, children := range []int{0, 4} {
		s := New(Config{URL: r.URL, Token: "t", Children: children, Workers: 8, Wait: atOnce, LoseReplies: 50})
		r.accepted, r.times = nil, map[string]int{}
		if err := s.Send(t.Context(), slices.Values(all)); err != nil {
			t.Fatal(err)
		}
		byLog, want := map[string]*Message{}, map[string][]string{}
		for _, m := range all {
			byLog[m.LogID] = m
			want[queueName(m, children)] = append(want[queueName(m, children)], m.LogID)
		}
		got := map[string][]string{}
		for _, log := range r.accepted { // a lost reply brings a message twice, one behind the other
			name := queueName(byLog[log], children)
			if n := len(got[name]); n == 0 || got[name][n-1] != log {
				got[name] = append(got[name], log)
			}
		}
		if len(got) != 3*max(children, 1) {
			t.Fatalf("%d children: %d queues, want %d", children, len(got), 3*max(children, 1))
		}
		for name := range want {
			if !slices.Equal(got[name], want[name]) {
				t.Errorf("%d children: queue %q was not delivered in its order", children, name)
			}
		}
		c := s.Counts()
		if c.Acknowledged != len(all) || c.Waiting != 0 || c.Sent != c.Acknowledged+c.Failed || c.Retried != c.Failed || c.Failed == 0 {
			t.Errorf("%d children: counts do not add up: %+v", children, c)
		}
	}
}

func TestAChildHasAllMessagesOfItsPatients(t *testing.T) {
	queues := map[string]string{}
	used := map[string]bool{}
	for _, m := range messages(2000, 2, 60) {
		name := queueName(m, 5)
		key := m.Subscription() + m.Patient
		if before, ok := queues[key]; ok && before != name {
			t.Fatalf("patient %s waits in %q and in %q", m.Patient, before, name)
		}
		queues[key], used[name] = name, true
		m.Patient = ""
		if got := queueName(m, 5); got != m.Subscription() {
			t.Fatalf("a message of nobody waits in %q", got)
		}
	}
	if len(used) != 10 {
		t.Errorf("%d queues, want 2 subscriptions of 5 children", len(used))
	}
}

func TestAStuckQueueHoldsUpNobodyElse(t *testing.T) {
	all := messages(40, 2, 5)
	stuck := all[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	others := 0
	r := newReceiver(t, nil)
	r.answer = func(log string, _ int) int {
		if log == stuck.LogID {
			return 503
		}
		if others++; others == 20 {
			cancel()
		}
		return 200
	}
	s := New(Config{URL: r.URL, Token: "t", Wait: func(ctx context.Context, d time.Duration) error {
		if d < 10*time.Second {
			t.Errorf("retried after %s", d)
		}
		return ctx.Err()
	}})
	if err := s.Send(ctx, slices.Values(all)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the end of the context", err)
	}
	r.mu.Lock()
	for _, log := range r.accepted {
		if i := slices.IndexFunc(all, func(m *Message) bool { return m.LogID == log }); all[i].Model == stuck.Model {
			t.Fatalf("message %d went past the first of its queue", i)
		}
	}
	r.answer = nil
	r.mu.Unlock()
	if err := s.Send(t.Context(), func(func(*Message) bool) {}); err != nil {
		t.Fatal(err)
	}
	if c := s.Counts(); c.Acknowledged != len(all) || c.Waiting != 0 {
		t.Errorf("what waited was not sent later: %+v", c)
	}
}

func TestRetriesFollowTheScheduleWithoutEnd(t *testing.T) {
	r := newReceiver(t, func(_ string, times int) int {
		if times < 12 {
			return 500
		}
		return 200
	})
	var waited []time.Duration
	s := New(Config{URL: r.URL, Wait: func(_ context.Context, d time.Duration) error { waited = append(waited, d/time.Second); return nil }})
	if err := s.Send(t.Context(), slices.Values(messages(1, 1, 1))); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{10, 10, 20, 30, 50, 80, 120, 120, 120, 120, 120, 120}; !slices.Equal(waited, want) {
		t.Errorf("waited %v, want %v", waited, want)
	}
}

func TestOnlyExactly200IsAnAcknowledgement(t *testing.T) {
	for _, status := range []int{201, 202, 204, 301, 307, 400, 401, 413, 503} {
		r := newReceiver(t, func(_ string, times int) int {
			if times == 0 {
				return status
			}
			return 200
		})
		s := New(Config{URL: r.URL, Wait: atOnce})
		if err := s.Send(t.Context(), slices.Values(messages(1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		if c := s.Counts(); c.Sent != 2 || c.Failed != 1 || c.Acknowledged != 1 {
			t.Errorf("after %d: %+v", status, c)
		}
	}
}

func TestDuplicatesAreTheSameLogAndAreCounted(t *testing.T) {
	all := messages(400, 2, 10)
	r := newReceiver(t, nil)
	path := filepath.Join(t.TempDir(), "ledger")
	ledger, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{URL: r.URL, Wait: atOnce, LoseReplies: 100, Resend: 100, Ledger: ledger, Children: 4})
	if err := errors.Join(s.Send(t.Context(), slices.Values(all)), ledger.Close()); err != nil {
		t.Fatal(err)
	}
	twice, attempts := 0, map[string]bool{}
	for _, m := range all {
		if r.times[m.LogID] == 0 {
			t.Fatal("a message never came")
		}
		twice += r.times[m.LogID] - 1
	}
	for _, b := range r.bodies {
		attempts[b] = true
	}
	c := s.Counts()
	if c.Resent < 10 || c.Failed < 10 || twice != c.Resent+c.Failed || len(attempts) != len(all)+c.Resent {
		t.Errorf("%d came twice, %d different bodies, counts %+v", twice, len(attempts), c)
	}
	kept, err := ReadLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	logs := map[string]int{}
	for _, a := range kept {
		logs[a.LogID]++
	}
	if len(kept) != len(all)+c.Resent || len(logs) != len(all) {
		t.Errorf("ledger has %d lines of %d logs, want %d of %d", len(kept), len(logs), len(all)+c.Resent, len(all))
	}
}

func TestAQueryWaitsInNoQueueAndIsAnsweredOnce(t *testing.T) {
	times := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		times++
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = w.Write([]byte("no responder"))
	}))
	defer server.Close()
	s := New(Config{URL: server.URL, Token: "T"})
	status, body, err := s.Ask(t.Context(), messages(1, 1, 1)[0])
	if status != http.StatusNotImplemented || string(body) != "no responder" || err != nil || times != 1 || s.Counts() != (Counts{}) {
		t.Errorf("status %d, body %q, %v, asked %d times, counts %+v", status, body, err, times, s.Counts())
	}
}

func TestALedgerThatWasCutOffEndsBeforeItsLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	all := messages(3, 1, 1)
	for _, m := range all { // opened again it goes on
		l, err := OpenLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.record(m), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range 100 {
		if err := os.WriteFile(path, text[:len(text)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := ReadLedger(path)
		if want := 3 - (cut+101)/102; err != nil || len(kept) != want || kept[0] != (Acknowledged{all[0].LogID, all[0].SHA256()}) {
			t.Fatalf("cut by %d: %d lines, want %d, %v", cut, len(kept), want, err)
		}
	}
	for _, odd := range []string{"log\n", "log 12\n", "log " + strings.Repeat("zz", 32) + "\n", "log " + strings.Repeat("ab", 40) + "\n"} {
		if err := os.WriteFile(path, []byte(odd), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLedger(path); err == nil {
			t.Errorf("%q was taken for a line", odd)
		}
	}
}

func TestALedgerThatCannotBeWrittenStopsTheSender(t *testing.T) {
	l, err := OpenLedger(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := New(Config{URL: newReceiver(t, nil).URL, Ledger: l})
	if err := s.Send(t.Context(), slices.Values(messages(100, 2, 5))); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want the ledger's error", err)
	}
}

func TestRateSpreadsMessages(t *testing.T) {
	r := newReceiver(t, nil)
	var waits []time.Duration
	s := New(Config{URL: r.URL, Rate: 1.0 / 3600, Wait: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }})
	if err := s.Send(t.Context(), slices.Values(messages(5, 1, 1))); err != nil {
		t.Fatal(err)
	}
	for i, d := range waits { // none of which was waited: each is counted from the start
		if due := time.Duration(i) * time.Hour; d > due || d <= due-time.Hour {
			t.Errorf("message %d waits %s, want %s less what the test took", i, d, due)
		}
	}
	if len(waits) != 5 {
		t.Errorf("waits %v", waits)
	}
}
