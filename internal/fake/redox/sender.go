package redox

import (
	"context"
	"io"
	"iter"
	"net/http"
	"sync"
	"time"
)

// Config says how a Sender pushes.
type Config struct {
	URL        string
	Token      string     // verification token; empty: none is sent
	Credential Credential // of the destination; nil: the token stands in both headers

	Children int     // parallel queues that each subscription is split into by patient; up to 1: none
	Workers  int     // most requests under way at once; 0: one for each queue
	Backlog  int     // most messages that wait in all queues together; default 10,000
	Rate     float64 // messages a second that enter the queues; 0: no limit

	LoseReplies   int  // of 1,000 requests, of how many the sender never sees the answer
	Resend        int  // of 1,000 acknowledged messages, how many a person sends again later: the same log, a new attempt
	FreshAttempts bool // a retry has a new AttemptID, and so other bytes; it is not known whether Redox does that
	RefreshOn401  bool // after a 401 a new access token is fetched; it is not known whether Redox does that
	Seed          uint64

	Client  *http.Client
	Backoff func(failures int) time.Duration                 // default Backoff
	Wait    func(ctx context.Context, d time.Duration) error // default: wait

	Ledger  *Ledger       // where acknowledgements are kept; nil: nowhere
	Observe func(Attempt) // called after each request, from many goroutines; nil: not
}

// Attempt is one request and what came of it.
type Attempt struct {
	Message *Message
	Try     int // from 1
	Status  int // 0 where there was no answer
	Lost    bool
	Err     error
}

// Acknowledged reports whether the sender takes the message for delivered: a 200, which is what the documentation of
// asynchronous events asks for. It leaves open what any other 2xx does; here it is a failure.
func (a *Attempt) Acknowledged() bool { return a.Status == http.StatusOK && !a.Lost }

// Counts is what a Sender has done.
type Counts struct {
	Sent         int // requests
	Acknowledged int // messages
	Retried      int // requests that were not the first of their message
	Failed       int // requests without a 200, those whose answer was lost among them
	Resent       int // messages that were sent again though they had been acknowledged
	Waiting      int // messages in queues
}

// Backoff is how long the queue rests after so many failures of its first message: 10 s, 10 s, 20 s, and so on up to two
// minutes, without end.
func Backoff(failures int) time.Duration {
	waits := [...]time.Duration{10, 10, 20, 30, 50, 80, 120}
	return waits[min(max(failures, 1), len(waits))-1] * time.Second
}

// Sender pushes messages as Redox does. Each subscription, and each of its children, is a queue: the first message is sent
// until it is acknowledged, and the others wait behind it.
type Sender struct {
	config  Config
	client  http.Client
	workers chan struct{}
	backlog chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex
	queues map[string]*queue
	reruns map[string]*Message // logs that were run again, by id
	counts Counts
}

// queue is one subscription or a child of one.
type queue struct {
	messages []*Message
	draining bool // a goroutine sends what is in it
}

// New makes a sender.
func New(c Config) *Sender {
	if c.Backoff == nil {
		c.Backoff = Backoff
	}
	if c.Wait == nil {
		c.Wait = pause
	}
	if c.Backlog <= 0 {
		c.Backlog = 10_000
	}
	s := &Sender{config: c, queues: map[string]*queue{}, reruns: map[string]*Message{}, backlog: make(chan struct{}, c.Backlog)}
	if c.Workers > 0 {
		s.workers = make(chan struct{}, c.Workers)
	}
	if c.Client != nil {
		s.client = *c.Client
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 256
		s.client = http.Client{Transport: transport, Timeout: 2 * time.Minute}
	}
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// Counts returns what was done so far.
func (s *Sender) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Waiting = len(s.backlog)
	return c
}

// Send delivers messages until all are acknowledged, those that are sent again included, or ctx ends. What is under way then is
// cut off, as when a connection breaks, and what waits in the queues goes on waiting: it is sent when Send is called again.
func (s *Sender) Send(ctx context.Context, messages iter.Seq[*Message]) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer s.client.CloseIdleConnections()
	defer s.running.Wait()
	defer stop(nil)
	s.mu.Lock()
	for _, q := range s.queues {
		s.start(ctx, stop, q)
	}
	s.mu.Unlock()
	start, n := time.Now(), 0
	for m := range messages {
		if s.config.Rate > 0 {
			due := start.Add(time.Duration(float64(n) / s.config.Rate * float64(time.Second)))
			if err := s.config.Wait(ctx, time.Until(due)); err != nil {
				return err
			}
		}
		n++
		select {
		case s.backlog <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.enqueue(ctx, stop, m)
	}
	s.running.Wait()
	return context.Cause(ctx)
}

// enqueue puts a message, for which there is room in the backlog, behind the others of its queue.
func (s *Sender) enqueue(ctx context.Context, stop context.CancelCauseFunc, m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := queueName(m, s.config.Children)
	q := s.queues[name]
	if q == nil {
		q = &queue{}
		s.queues[name] = q
	}
	if m.Rerun {
		s.reruns[m.LogID] = m
	}
	q.messages = append(q.messages, m)
	s.start(ctx, stop, q)
}

// start sees to it that a queue is drained. The caller holds mu.
func (s *Sender) start(ctx context.Context, stop context.CancelCauseFunc, q *queue) {
	if !q.draining && len(q.messages) > 0 && ctx.Err() == nil {
		q.draining = true
		s.running.Go(func() { s.drain(ctx, stop, q) })
	}
}

// drain sends what is in a queue, one after the other. Where it cannot go on it stops all.
func (s *Sender) drain(ctx context.Context, stop context.CancelCauseFunc, q *queue) {
	for {
		s.mu.Lock()
		if len(q.messages) == 0 || ctx.Err() != nil {
			q.draining = false
			s.mu.Unlock()
			return
		}
		m := q.messages[0]
		if newest := s.reruns[m.LogID]; m.again && newest != nil { // a person sends what the log has become
			m = newest.resent(s.luck(m, 0))
		}
		s.mu.Unlock()
		if err := s.deliver(ctx, m); err != nil {
			stop(err)
			continue
		}
		s.mu.Lock()
		q.messages = q.messages[1:]
		if !m.again && s.luck(m, 0).of(s.config.Resend) {
			q.messages = append(q.messages, m.resent(s.luck(m, -1)))
			s.counts.Resent++
		} else {
			<-s.backlog
		}
		s.mu.Unlock()
	}
}

// deliver sends a message until it is acknowledged.
func (s *Sender) deliver(ctx context.Context, m *Message) error {
	for try := 1; ; try++ {
		if try > 1 && s.config.FreshAttempts {
			m = m.retried(s.luck(m, -try))
		}
		a, err := s.attempt(ctx, m, try)
		if err != nil {
			return err
		}
		if a.Acknowledged() {
			if s.config.Ledger != nil {
				return s.config.Ledger.record(m)
			}
			return nil
		}
		if err := s.config.Wait(ctx, s.config.Backoff(try)); err != nil {
			return err
		}
	}
}

// attempt sends one request and counts it. An error is the end of ctx, and says nothing about whether it was received.
func (s *Sender) attempt(ctx context.Context, m *Message, try int) (*Attempt, error) {
	if s.workers != nil {
		select {
		case s.workers <- struct{}{}:
			defer func() { <-s.workers }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	a := &Attempt{Message: m, Try: try}
	a.Status, _, a.Err = s.post(ctx, m.Body)
	if a.Status == 0 && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	a.Lost = a.Status != 0 && s.luck(m, try).of(s.config.LoseReplies)
	if f, ok := s.config.Credential.(forgetful); ok && a.Status == http.StatusUnauthorized && s.config.RefreshOn401 {
		f.forget()
	}
	s.count(a)
	if s.config.Observe != nil {
		s.config.Observe(*a)
	}
	return a, nil
}

func (s *Sender) count(a *Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Sent++
	if a.Try > 1 {
		s.counts.Retried++
	}
	if a.Acknowledged() {
		s.counts.Acknowledged++
	} else {
		s.counts.Failed++
	}
}

// Ask sends a query, which waits in no queue and is not tried again, and returns the answer.
func (s *Sender) Ask(ctx context.Context, m *Message) (status int, body []byte, err error) {
	return s.post(ctx, m.Body)
}

func (s *Sender) post(ctx context.Context, body []byte) (int, []byte, error) {
	rq, err := s.request(ctx, http.MethodPost, s.config.URL, body)
	if err != nil {
		return 0, nil, err
	}
	answer, err := s.client.Do(rq)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, nil, err
	}
	return answer.StatusCode, text, nil
}
