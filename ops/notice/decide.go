package notice

import (
	"slices"
	"time"

	"syncd/load"
)

// decide says what is to be told of how everything stands, and what becomes of the notices. It is a function of what it is given.
func decide(s load.Standing, rules *Rules) (load.Decision, error) {
	d := &decision{now: s.Now, rules: rules, touched: map[int]bool{}}
	d.notices = slices.Clone(s.Notices)
	for _, job := range s.Jobs {
		if job.Paused {
			d.paused = append(d.paused, job.Job)
		}
	}
	d.match(judge(s, rules))
	for _, cause := range Causes() {
		if err := d.tell(cause); err != nil {
			return load.Decision{}, err
		}
	}
	for i := range d.notices {
		if d.touched[i] {
			d.out.Notices = append(d.out.Notices, d.notices[i])
		}
	}
	return d.out, nil
}

type decision struct {
	now     time.Time
	rules   *Rules
	paused  []string // jobs
	notices []load.Notice
	words   map[int]condition // what is to be said of a notice that holds, by its place
	touched map[int]bool      // notices to be written, by their place
	out     load.Decision
}

// keptEvery is how often it is written down that a notice still holds.
const keptEvery = 5 * time.Minute

// match finds the notice of each condition, begins those that are missing and ends those whose condition does not hold any more. One
// whose end was not told yet goes on when its condition comes back.
func (d *decision) match(conditions []condition) {
	d.words = map[int]condition{}
	for _, c := range conditions {
		i := slices.IndexFunc(d.notices, func(n load.Notice) bool {
			return n.Cause == string(c.cause) && n.Subject == c.subject && (n.Ended == nil || n.EndTold == nil)
		})
		if i < 0 {
			if c.quiet {
				continue
			}
			d.notices = append(d.notices, load.Notice{Cause: string(c.cause), Subject: c.subject, Began: c.since, Noticed: d.now, Last: d.now})
			i = len(d.notices) - 1
			d.touched[i] = true
		}
		n := &d.notices[i]
		d.words[i] = c
		if n.Ended != nil || n.Count != c.count || n.RunID != c.run || d.now.Sub(n.Last) >= keptEvery {
			d.touched[i] = true
		}
		n.Ended, n.Count, n.RunID, n.Last = nil, c.count, c.run, d.now
	}
	for i := range d.notices {
		n := &d.notices[i]
		if _, holds := d.words[i]; holds || n.Ended != nil {
			continue
		}
		n.Ended, d.touched[i] = &d.now, true
		if n.Told == nil || !Cause(n.Cause).manner().ends || !d.configured(n) {
			n.EndTold = &d.now
		}
	}
}

// configured says that a notice is about something that jobs.toml still has and nobody has paused; the end of anything else is no
// news.
func (d *decision) configured(n *load.Notice) bool {
	if slices.Contains(d.paused, n.Subject) {
		return false
	}
	_, job := d.rules.Jobs[n.Subject]
	_, receiver := d.rules.Receivers[n.Subject]
	return job || receiver || n.Cause == string(SourceDown)
}

// tell makes the messages about one cause: of what is new or lasts, and of what is over.
func (d *decision) tell(cause Cause) error {
	takers := d.takers(cause)
	if len(takers) == 0 {
		return nil // it stays to be told when there is somebody to tell
	}
	var fresh, again, over []int
	var told, ended time.Time // of the last message of each kind
	oldest := d.now
	for i, n := range d.notices {
		if n.Cause != string(cause) {
			continue
		}
		told, ended = later(told, n.Told), later(ended, n.EndTold)
		switch {
		case n.Ended == nil && n.Told == nil:
			fresh = append(fresh, i)
		case n.Ended == nil:
			if d.now.Sub(*n.Told) >= cause.manner().least(n) {
				again = append(again, i)
			}
			oldest = earlier(oldest, *n.Told)
		case n.EndTold == nil:
			over = append(over, i)
		}
	}
	m := cause.manner()
	due := d.settled(fresh, func(n load.Notice) time.Time { return n.Noticed }) && d.now.Sub(told) >= m.gap
	// What lasts is told in one message a day; though messages about others keep coming, not later than a day after that.
	if len(again) > 0 && (m.repeat == 0 || d.now.Sub(told) >= m.repeat || d.now.Sub(oldest) >= m.repeat+daily) {
		due = true
	}
	if due {
		list := append(fresh, again...)
		if err := d.send(takers, cause, Began, list); err != nil {
			return err
		}
		for _, i := range list {
			d.notices[i].Told, d.notices[i].ToldCount, d.touched[i] = &d.now, d.notices[i].Count, true
		}
	}
	if d.settled(over, func(n load.Notice) time.Time { return *n.Ended }) && d.now.Sub(ended) >= m.gap {
		if err := d.send(takers, cause, Ended, over); err != nil {
			return err
		}
		for _, i := range over {
			d.notices[i].EndTold, d.touched[i] = &d.now, true
		}
	}
	return nil
}

// least is the time after which a notice that was told is worth telling again; one that does not repeat has to have grown.
func (m manner) least(n load.Notice) time.Duration {
	const never = 1 << 62
	switch {
	case (n.Cause == string(Certificate) || n.Cause == string(Account)) && level(n.Count) > level(n.ToldCount):
		return 0
	case n.Cause == string(NewRejects) && n.Count > n.ToldCount:
		return daily
	case m.repeat == 0:
		return never
	}
	return m.repeat
}

// settled says that nothing was added to a list for a while, or that its first has waited long enough.
func (d *decision) settled(list []int, at func(load.Notice) time.Time) bool {
	if len(list) == 0 {
		return false
	}
	first, last := d.now, time.Time{}
	for _, i := range list {
		t := at(d.notices[i])
		first = earlier(first, t)
		last = later(last, &t)
	}
	return d.now.Sub(last) >= settle || d.now.Sub(first) >= settleMost
}

// takers are the notifiers that are told of a cause.
func (d *decision) takers(cause Cause) []string {
	var names []string
	for _, n := range d.rules.Notifiers {
		if len(n.Only) == 0 || slices.Contains(n.Only, cause) {
			names = append(names, n.Name)
		}
	}
	return names
}

// send makes one message about notices for each notifier.
func (d *decision) send(takers []string, cause Cause, state State, list []int) error {
	m := Message{Cause: cause, State: state, At: d.now, Host: d.rules.Host}
	for _, i := range list {
		n, c := d.notices[i], d.words[i]
		item := Item{Subject: n.Subject, Began: n.Began, Ended: n.Ended, Count: n.Count, RunID: n.RunID, Detail: c.detail, Next: c.next, Again: n.Told != nil && n.Ended == nil}
		m.Items = append(m.Items, item)
	}
	body, err := m.finish(d.rules).encode()
	if err != nil {
		return err
	}
	for _, name := range takers {
		d.out.Messages = append(d.out.Messages, load.Message{Notifier: name, Cause: string(cause), Body: body})
	}
	return nil
}

func later(a time.Time, b *time.Time) time.Time {
	if b != nil && b.After(a) {
		return *b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
