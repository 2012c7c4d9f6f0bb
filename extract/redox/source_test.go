package redox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
	"syncd/extract/sourcetest"
)

func TestTheSourceKeepsTheContractOfSources(t *testing.T) {
	q := &inbox{}
	for i := range 2500 {
		q.add(delivery(int64(i+1), arrival(fmt.Sprintf(`"p%d"`, i%700), fmt.Sprint(i))))
	}
	sourcetest.Run(t, sourcetest.Subject{
		New: func(testing.TB) extract.Source {
			copied := &inbox{pending: slices.Clone(q.pending)}
			return &settling{NewSource(copied, SourceConfig{Receiver: "r", PatientIDTypes: []string{"MR"}, Once: true}), copied}
		},
		Wrote: func() error { return nil },
	})
}

// settling is a Source whose deliveries are settled when their batch is loaded, as the loader does.
type settling struct {
	extract.Source
	queue *inbox
}

func (s *settling) Pull(ctx context.Context, since extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	return s.Source.Pull(ctx, since, func(b *extract.Batch) error {
		settled := append([]extract.Settled(nil), b.Settled...)
		if err := yield(b); err != nil {
			return err
		}
		s.queue.settle(settled)
		return nil
	})
}

// drain pulls a queue until nothing is pending.
func drain(t *testing.T, q *inbox, w *warehouse) *extract.Proof {
	t.Helper()
	s := &settling{NewSource(q, SourceConfig{Receiver: "r", PatientIDTypes: []string{"MR"}, Once: true}), q}
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	proof, err := s.Pull(t.Context(), extract.Since{}, func(b *extract.Batch) error {
		check(t, b)
		w.load(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestEveryDeliveryIsTakenOnceAndSettled(t *testing.T) {
	q, w := &inbox{}, newWarehouse()
	for i := range 3000 {
		body := arrival(`"p"`, fmt.Sprint(i))
		if i%10 == 0 {
			body = "{"
		}
		d := delivery(int64(i+1), body)
		q.add(d)
	}
	proof := drain(t, q, w)
	if len(w.settled) != 3000 || len(q.pending) != 0 || proof.Taken != 3000 || !proof.Pushed {
		t.Errorf("%d settled, %d pending, proof %+v", len(w.settled), len(q.pending), proof)
	}
	for i, s := range w.settled {
		if s.Seq != int64(i+1) {
			t.Fatalf("settled %d at place %d", s.Seq, i)
		}
	}
}

func TestLargeDeliveriesComeInSeveralBatches(t *testing.T) {
	var observed strings.Builder
	for i := range 4000 {
		if i > 0 {
			observed.WriteByte(',')
		}
		fmt.Fprintf(&observed, `{"Code":"%d","Value":"1"}`, i)
	}
	q, batches := &inbox{}, 0
	for i := range 8 {
		q.add(delivery(int64(i+1), fmt.Sprintf(`{"Meta":{"DataModel":"Results","EventType":"New"},"Orders":[{"ID":"%d","Results":[%s]}]}`, i, observed.String())))
	}
	s := &settling{NewSource(q, SourceConfig{Receiver: "r", Once: true}), q}
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Pull(t.Context(), extract.Since{}, func(b *extract.Batch) error {
		batches++
		for _, rows := range b.Rows {
			if rows.Len() > extract.BatchRows+4000 {
				t.Errorf("%d rows of %s", rows.Len(), rows.Table.Name)
			}
		}
		return nil
	})
	if err != nil || batches < 2 {
		t.Errorf("%d batches, %v", batches, err)
	}
}

func TestAModelThatComesLaterIsAChangeOfStructure(t *testing.T) {
	q := &inbox{}
	q.add(delivery(1, arrival(`"p"`, `"1"`)))
	s := NewSource(q, SourceConfig{Receiver: "r", Once: true})
	before, err := s.Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	q.add(delivery(2, `{"Meta":{"DataModel":"Order","EventType":"New"},"Order":{"ID":"1"}}`))
	var seen []int64
	yield := func(b *extract.Batch) error {
		for _, s := range b.Settled {
			seen = append(seen, s.Seq)
		}
		q.settle(b.Settled)
		return nil
	}
	if _, err := s.Pull(t.Context(), extract.Since{}, yield); extract.KindOf(err) != extract.KindDrift {
		t.Fatalf("pull: %v", err)
	}
	after, err := s.Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Tables) <= len(before.Tables) || !after.Partial {
		t.Errorf("%d tables, then %d", len(before.Tables), len(after.Tables))
	}
	if _, err := s.Pull(t.Context(), extract.Since{}, yield); err != nil || fmt.Sprint(seen) != "[1 2]" {
		t.Errorf("settled %v, %v", seen, err)
	}
}

func TestADeliveryWhoseModelWasNotReadOnArrivalDoesNotStopTheOthers(t *testing.T) {
	q, w := &inbox{}, newWarehouse()
	lost := delivery(1, `{"Meta":{"DataModel":"Order","EventType":"New"},"Order":{"ID":"1"}}`)
	lost.Model = ""
	q.add(lost, delivery(2, arrival(`"p"`, `"1"`)))
	drain(t, q, w)
	if fmt.Sprint(w.settled) != "[{1 rejected "+reasonModel+" false} {2 applied  false}]" {
		t.Error(w.settled)
	}
}

func TestTheSourceWaitsAndEndsWhenItIsTold(t *testing.T) {
	q, until := &inbox{more: make(chan struct{})}, make(chan struct{})
	q.models = []string{"PatientAdmin"}
	s := NewSource(q, SourceConfig{Receiver: "r", Until: until})
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	got, done := make(chan int64), make(chan error)
	go func() {
		_, err := s.Pull(t.Context(), extract.Since{}, func(b *extract.Batch) error {
			q.settle(b.Settled)
			got <- b.Settled[0].Seq
			return nil
		})
		done <- err
	}()
	for seq := range int64(3) {
		q.add(delivery(seq+1, arrival(`"p"`, `"1"`)))
		for at := int64(0); at != seq+1; {
			select {
			case q.more <- struct{}{}:
			case at = <-got:
			}
		}
	}
	close(until)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAFaultOfTheQueueEndsThePullAsItIs(t *testing.T) {
	fault := errors.New("away")
	q := &inbox{fault: fault}
	s := NewSource(q, SourceConfig{Receiver: "r"})
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pull(t.Context(), extract.Since{}, nil); !errors.Is(err, fault) {
		t.Error(err)
	}
}
