package redox

import (
	"crypto/sha256"
	"time"
)

// Message is one log of Redox: a message that it has to deliver to one destination.
type Message struct {
	LogID     string
	Attempt   string // AttemptID of the body
	Source    string // id of the sending system
	Model     string // "PatientAdmin"
	EventType string // "Arrival"
	EventAt   time.Time
	Patient   string // by which child queues split; empty where nobody is named
	Rerun     bool   // the log is run again after the configuration changed: its id is that of an earlier message, its body is another
	Body      []byte

	again bool // sent again by a person after it had been acknowledged
}

// Subscription names the queue that a message waits in: one for each source and model, since the destination is one.
func (m *Message) Subscription() string { return m.Source + " " + m.Model }

// SHA256 is that of the body.
func (m *Message) SHA256() [32]byte { return sha256.Sum256(m.Body) }

const instant = "2006-01-02T15:04:05.000Z"

// stamp writes a time as Redox does, and one that is not known as nothing.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(instant)
}

// systems are the ends of a feed.
type systems struct {
	source, sourceName, destination, destinationName string
}

// meta is the Meta of a message. more are further members of it.
func (s *systems) meta(m *Message, test bool, sequence int, more ...any) object {
	o := object{
		"DataModel", m.Model, "EventType", m.EventType, "EventDateTime", stamp(m.EventAt), "Test", test,
		"Source",
		object{"ID", s.source, "Name", s.sourceName},
		"Destinations",
		list{object{"ID", s.destination, "Name", s.destinationName}},
		"Logs",
		list{object{"ID", m.LogID, "AttemptID", m.Attempt}},
	}
	if sequence > 0 { // deprecated; older feeds still have them
		o = append(o, "Message", object{"ID", 41_000_000 + sequence}, "Transmission", object{"ID", 97_000_000 + sequence})
	}
	return append(append(o, "FacilityCode", nil), more...)
}
