package redox

import (
	"context"
	"slices"
	"time"

	"syncd/extract"
)

// How much is taken at once. A batch that decodes to more than a batch should be is cut, and the rest comes in the next.
const (
	takeMost  = 1000
	takeBytes = 8 << 20
)

// SourceConfig says what a Source drains.
type SourceConfig struct {
	Receiver       string   // whose deliveries, for the identity
	PatientIDTypes []string // types of patient identifiers, the most trusted first
	// Blocked lists people who were purged: what tells of them is not loaded, and its bytes go. It is called once; nil is nobody.
	Blocked func(ctx context.Context) (*extract.Blocked, error)
	Once    bool            // end when nothing is pending, rather than wait for more
	Until   <-chan struct{} // end after the batch under way when this is closed; nil never is
}

// Source drains the deliveries of one receiver into batches. It implements extract.Source.
type Source struct {
	queue  Queue
	config SourceConfig
	known  map[*entity]bool
	group  *group
	rest   []*extract.Delivery // taken, and not decoded yet

	taken, bytes int64 // times that deliveries were taken, and their bytes
}

// NewSource makes a source of what a queue holds.
func NewSource(q Queue, c SourceConfig) *Source { return &Source{queue: q, config: c} }

// Describe names the tables of those models of which a delivery was ever kept.
func (s *Source) Describe(ctx context.Context, _ extract.Since) (*extract.Structure, error) {
	names, err := s.queue.Models(ctx)
	if err != nil {
		return nil, err
	}
	st := &extract.Structure{Identity: extract.Identity{Server: "redox", ID: s.config.Receiver}, Partial: true}
	s.known = map[*entity]bool{}
	for _, m := range models() {
		if !slices.Contains(names, m.name) {
			continue
		}
		for _, e := range m.entities {
			if s.known[e] {
				continue
			}
			s.known[e] = true
			for _, t := range e.tables {
				if st.Tables = append(st.Tables, t.live); t.past != nil {
					st.Tables = append(st.Tables, t.past)
				}
			}
			st.Views = append(st.Views, e.views...)
		}
	}
	s.group = newGroup(s.known, s.config.PatientIDTypes)
	if s.config.Blocked != nil {
		if s.group.blocked, err = s.config.Blocked(ctx); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// Pull hands on what is pending, oldest first, until there is no more or it is told to end. The next batch is decoded while one
// is loaded.
func (s *Source) Pull(ctx context.Context, _ extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ahead := make(chan decoded, 1)
	var handed []int64
	var done int64
	for next := s.next(ctx, nil); ; {
		switch {
		case next.err != nil:
			return nil, next.err
		case s.ended():
			return s.proof(done), nil
		case next.batch == nil && s.config.Once:
			return s.proof(done), nil
		case next.batch == nil:
			if err := s.wait(ctx); err != nil {
				return nil, err
			}
			next = s.next(ctx, nil)
			continue
		}
		handed = handed[:0]
		for _, settled := range next.batch.Settled {
			handed = append(handed, settled.Seq)
		}
		go func() { ahead <- s.next(ctx, handed) }()
		next.batch.Done = done + int64(len(handed))
		err := yield(next.batch)
		if err != nil {
			stop()
		}
		loaded := next.batch
		if next = <-ahead; err != nil {
			return nil, err
		}
		s.group.recycle(loaded)
		done += int64(len(handed))
	}
}

// proof says how much was taken: all of it is settled in the transactions of its rows.
func (s *Source) proof(done int64) *extract.Proof {
	return &extract.Proof{Pushed: true, Taken: done, AfterAt: time.Now(), Requests: s.taken, Bytes: s.bytes}
}

func (s *Source) ended() bool {
	select {
	case <-s.config.Until:
		return true
	default:
		return false
	}
}

// wait returns when there may be something to take, or when the source is to end.
func (s *Source) wait(ctx context.Context) error {
	waiting, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-s.config.Until:
			stop()
		case <-waiting.Done():
		}
	}()
	err := s.queue.Wait(waiting)
	stop()
	<-over
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.ended() {
		return nil
	}
	return err
}

// decoded is a batch that is ready; without one nothing is pending.
type decoded struct {
	batch *extract.Batch
	err   error
}

// next takes deliveries, without those that are handed on already, and decodes as many of them as a batch may hold.
func (s *Source) next(ctx context.Context, handed []int64) decoded {
	if len(s.rest) == 0 {
		taken, err := s.queue.Take(ctx, takeMost, takeBytes, handed)
		if err != nil {
			return decoded{err: err}
		}
		s.rest = taken
		s.taken++
		for _, d := range taken {
			s.bytes += int64(len(d.Body))
		}
	}
	if len(s.rest) == 0 {
		return decoded{}
	}
	g := s.group
	g.reset()
	for len(s.rest) > 0 && !g.full() {
		g.add(s.rest[0])
		if g.absent {
			if g.settled = g.settled[:len(g.settled)-1]; len(g.settled) > 0 {
				break // what came before it has tables
			}
			return decoded{err: extract.Errorf(extract.KindDrift, "decode deliveries", "a model came for which there are no tables yet")}
		}
		s.rest = s.rest[1:]
	}
	return decoded{batch: g.batch()}
}
