package job

import (
	"maps"
	"slices"
	"sync"
)

// jobSet is the jobs that an Engine plans and runs. It is replaced whole.
type jobSet struct {
	jobs map[string]Planned
	seen map[string]string // schedules already made known, by job; used by the planner's goroutine only
}

func newSet(jobs []Planned) *jobSet {
	s := &jobSet{jobs: map[string]Planned{}, seen: map[string]string{}}
	for _, j := range jobs {
		s.jobs[j.Name] = j
	}
	return s
}

// Replace lets the engine plan other jobs and drain other receivers from now on; it may be called at any time, also before Run. Runs
// under way go on as they began. A drain that is gone or another one ends after the batch in hand; one that is the same goes on.
func (e *Engine) Replace(jobs []Planned, drained []Drained) {
	e.set.Store(newSet(jobs))
	e.drains.replace(drained)
	select {
	case e.replaced <- struct{}{}:
	default: // the planner is about to look
	}
}

// job returns the job of a name, as it holds now.
func (e *Engine) job(name string) (Planned, bool) {
	j, ok := e.set.Load().jobs[name]
	return j, ok
}

// all lists all jobs that hold now.
func (e *Engine) all() []Planned { return e.set.Load().all() }

// all lists the jobs by name: replicas that record slots of several jobs at once do so in the same order.
func (s *jobSet) all() []Planned {
	all := make([]Planned, 0, len(s.jobs))
	for _, name := range slices.Sorted(maps.Keys(s.jobs)) {
		all = append(all, s.jobs[name])
	}
	return all
}

// drains are the drains under way, one goroutine each.
type drains struct {
	run func(Drained, <-chan struct{})
	all sync.WaitGroup

	mu    sync.Mutex
	on    bool // between begin and stop
	want  []Drained
	under map[string]*draining
}

// draining is a drain that was started.
type draining struct {
	of      Drained
	stop    chan struct{}
	stopped bool // stop is closed
	done    chan struct{}
}

func (d *drains) replace(want []Drained) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = want
	d.settle()
}

// names are those of the drains that are wanted.
func (d *drains) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, len(d.want))
	for i, w := range d.want {
		names[i] = w.Name
	}
	return names
}

func (d *drains) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on, d.under = true, map[string]*draining{}
	d.settle()
}

// stop lets all drains end after the batch in hand, and no other begin; all.Wait waits for them.
func (d *drains) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = nil
	d.settle()
	d.on = false
}

// settle stops what is not wanted any more, and starts what is wanted and not there. What takes the place of another waits for it.
func (d *drains) settle() {
	if !d.on {
		return
	}
	wanted := map[string]Drained{}
	for _, w := range d.want {
		wanted[w.Name] = w
	}
	for name, u := range d.under {
		if w, ok := wanted[name]; ok && !u.stopped && w.same(u.of) {
			delete(wanted, name)
			continue
		}
		if !u.stopped {
			close(u.stop)
			u.stopped = true
		}
	}
	for name, w := range wanted {
		before, u := d.under[name], &draining{of: w, stop: make(chan struct{}), done: make(chan struct{})}
		d.under[name] = u
		d.all.Go(func() { d.work(u, before) })
	}
}

func (d *drains) work(u, before *draining) {
	if before != nil {
		<-before.done
	}
	d.run(u.of, u.stop)
	if u.of.Close != nil {
		u.of.Close()
	}
	close(u.done)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under[u.of.Name] == u {
		delete(d.under, u.of.Name)
	}
}

// same says that one drain does what another does.
func (d Drained) same(as Drained) bool {
	return d.Name == as.Name && d.Source == as.Source && d.Schema == as.Schema && d.Version == as.Version
}
