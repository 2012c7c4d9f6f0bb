package notice

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// State says what a message tells of its items.
type State string

// The states: items began, or last on since they were told; or they are over.
const (
	Began State = "began"
	Ended State = "ended"
)

// Message is what is told about one cause. Its JSON is the body that a webhook gets.
type Message struct {
	Cause Cause     `json:"cause"`
	State State     `json:"state"`
	Title string    `json:"title"` // one line
	Text  string    `json:"text"`  // a line for each item, and what to type
	At    time.Time `json:"at"`    // when it was made
	Host  string    `json:"host"`  // the machine whose syncd made it
	Items []Item    `json:"items"` // at most mostItems
	More  int       `json:"more"`  // how many there are beside those
}

// Item is one job, source or receiver that a message tells of.
type Item struct {
	Subject string     `json:"subject"` // its name in jobs.toml; of our own certificate "serve"
	Began   time.Time  `json:"began_at"`
	Ended   *time.Time `json:"ended_at"`
	Count   int64      `json:"count"` // jobs that wait, deletions held, rows rejected, changes pending, days left
	RunID   int64      `json:"run_id"`
	Detail  string     `json:"detail"`
	Next    string     `json:"next"`  // what to type
	Again   bool       `json:"again"` // it was told before, and lasts
}

const (
	mostItems = 200
	mostLines = 20 // of the text
)

func (m Message) encode() ([]byte, error) { return json.Marshal(m) }

// finish words a message and bounds it.
func (m Message) finish(rules *Rules) Message {
	m.Title = m.title()
	var lines []string
	for i, item := range m.Items {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("and %d more: syncd status", len(m.Items)-mostLines))
			break
		}
		lines = append(lines, m.line(item, rules))
	}
	m.Text = strings.Join(lines, "\n")
	if m.More = len(m.Items) - mostItems; m.More > 0 {
		m.Items = m.Items[:mostItems]
	}
	m.More = max(0, m.More)
	return m
}

// title says in one line what happened to how many.
func (m Message) title() string {
	n, first := len(m.Items), m.Items[0]
	var sum int64
	for _, item := range m.Items {
		sum += item.Count
	}
	if m.State == Ended {
		return m.endTitle(n, first)
	}
	switch m.Cause {
	case SourceDown:
		return some(n, first.Subject+" is", "sources are") + " down (" + number(sum, "job waits", "jobs wait") + ")"
	case Misconfigured:
		return some(n, first.Subject+" is", "receivers are") + " misconfigured and answers 503"
	case IntakeSilent:
		return some(n, first.Subject+" is", "receivers are") + " silent: nothing is pushed"
	case RunFailed:
		return some(n, first.Subject, "jobs") + " failed"
	case BrakeHeld:
		return some(n, first.Subject+" is", "jobs are") + " held: " + number(sum, "deletion waits", "deletions wait") + " for approval"
	case JobStale:
		return some(n, first.Subject+" is", "jobs are") + " stale"
	case NewRejects:
		return some(n, first.Subject+" has", "jobs and receivers have") + " rejects (" + number(sum, "is", "are") + " open)"
	case DriftPending:
		return number(sum, "change", "changes") + " of structure pending in " + some(n, first.Subject, "jobs")
	case Certificate:
		if first.Count < 0 && n == 1 {
			return "the certificate of " + first.Subject + " has ended"
		}
		return "the certificate of " + some(n, first.Subject, "peers") + " ends soon"
	case Account:
		if first.Count < 0 && n == 1 {
			return "the account by which " + first.Subject + " reads has ended"
		}
		return "the account by which " + some(n, first.Subject+" reads", "jobs read") + " ends soon"
	}
	return first.Subject + ": a message to see that it arrives"
}

func (m Message) endTitle(n int, first Item) string {
	lasted := ""
	if n == 1 && first.Ended != nil {
		lasted = " after " + span(first.Ended.Sub(first.Began))
	}
	switch m.Cause {
	case SourceDown:
		return some(n, first.Subject+" is", "sources are") + " back" + lasted
	case Misconfigured:
		return some(n, first.Subject+" is", "receivers are") + " in order again" + lasted
	case IntakeSilent:
		return some(n, first.Subject+" is", "receivers are") + " pushed to again" + lasted
	case JobStale:
		return some(n, first.Subject+" is", "jobs are") + " fresh again" + lasted
	}
	return some(n, first.Subject+" runs", "jobs run") + " again" + lasted
}

// line says of one item what, since when, and what to type.
func (m Message) line(item Item, rules *Rules) string {
	parts := []string{item.Subject + ":"}
	if item.Count > 0 && (m.Cause == BrakeHeld || m.Cause == NewRejects || m.Cause == DriftPending) && m.State == Began {
		parts = append(parts, fmt.Sprint(item.Count))
	}
	if item.Detail != "" && m.State == Began {
		parts = append(parts, item.Detail+",")
	}
	if item.Ended != nil {
		parts = append(parts, fmt.Sprintf("from %s until %s (%s)", rules.instant(item.Began), rules.instant(*item.Ended), span(item.Ended.Sub(item.Began))))
	} else {
		parts = append(parts, "since "+rules.instant(item.Began))
	}
	if item.Again {
		parts = append(parts, "(told before)")
	}
	line := strings.Join(parts, " ")
	if item.Next != "" && m.State == Began {
		line += "; next: " + item.Next
	}
	return line
}

// some is one by its name, or how many of a kind.
func some(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func number(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// span says how long something lasted, in units that a person counts in.
func span(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// TestMessage is what somebody sends to see that a notifier works.
func TestMessage(name, host string, now time.Time) Message {
	return Message{
		Cause: Test, State: Began, Title: "syncd: a message to see that " + name + " works", Text: "Sent by hand on " + host + ": syncd notify test " + name,
		At: now, Host: host, Items: []Item{},
	}
}
