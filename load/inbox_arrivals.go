package load

import (
	"slices"
	"sync"

	"syncd/extract"
)

// What one group of deliveries holds at most, beyond its first.
const (
	groupDeliveries = 256
	groupBytes      = 8 << 20
)

// What makes a group worth writing while another is written, and how slowly what is known of the senders is forgotten.
const (
	groupWorth  = 8  // deliveries: the commit of fewer costs more than they do
	groupShare  = 3  // of the senders, one in so many: the others are in the group that is written, or on their way back
	sendersStay = 16 // groups, until one sender less is thought to be there
)

// arrival is a delivery on its way into the inbox.
type arrival struct {
	d     *extract.Delivery
	size  int // of its body
	known bool
	err   error
	kept  chan struct{}
}

// arrivals gathers deliveries to groups. When no group is written, the next delivery is one at once: whoever comes alone does not
// wait. While one is written a second is begun only when enough have come that the two keep both sides busy, Postgres with the one
// and this process with the senders of the other; a group of every few that happen to be there would cost more commits than it saves.
type arrivals struct {
	mu      sync.Mutex
	change  *sync.Cond
	queue   []*arrival
	groups  int // that are written
	writing int // deliveries in them
	senders int // that had a delivery here at the same time, lately
	taken   int // groups since senders was last corrected
	closed  bool
}

func newArrivals() *arrivals {
	q := &arrivals{}
	q.change = sync.NewCond(&q.mu)
	return q
}

// add lets a delivery wait for its group. It reports false where no group will come.
func (q *arrivals) add(a *arrival) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.queue = append(q.queue, a)
	if q.due() {
		q.change.Signal()
	}
	return true
}

// remove takes a delivery back, and reports whether it still waited.
func (q *arrivals) remove(a *arrival) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.queue, a)
	if at < 0 {
		return false
	}
	q.queue = slices.Delete(q.queue, at, at+1)
	return true
}

// take waits until a group is due, and returns it. After close it returns what is left, and then nil.
func (q *arrivals) take() []*arrival {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.due() {
		if q.closed && len(q.queue) == 0 {
			return nil
		}
		q.change.Wait()
	}
	n, size := 0, 0
	for n < len(q.queue) && n < groupDeliveries && (n == 0 || size < groupBytes) {
		size += q.queue[n].size
		n++
	}
	group := slices.Clone(q.queue[:n])
	q.queue = slices.Delete(q.queue, 0, n)
	q.groups++
	q.writing += n
	q.count()
	return group
}

// written says that a group of take is done with.
func (q *arrivals) written(group []*arrival) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.groups--
	q.writing -= len(group)
}

// close lets take return nil when nothing is left.
func (q *arrivals) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}

// due says that a group is to be written now.
func (q *arrivals) due() bool {
	n := len(q.queue)
	return n > 0 && (q.groups == 0 || q.closed || n >= groupDeliveries || n >= max(groupWorth, q.senders/groupShare))
}

// count corrects how many senders there are: at once where there are more, slowly where there are fewer.
func (q *arrivals) count() {
	q.taken++
	switch now := q.writing + len(q.queue); {
	case now >= q.senders:
		q.senders, q.taken = now, 0
	case q.taken >= sendersStay:
		q.senders, q.taken = q.senders-1, 0
	}
}
