package redox

import (
	"bytes"
	"fmt"
	"hash/fnv"
)

// queueName is the queue of a message: its subscription, or the child of it that the patient falls into. What names no
// patient stays in the subscription's own queue.
func queueName(m *Message, children int) string {
	if children < 2 || m.Patient == "" {
		return m.Subscription()
	}
	return fmt.Sprintf("%s %d", m.Subscription(), hash(m.Patient)%uint64(children))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// luck is a dice that falls alike for the same message and the same throw, whatever else goes on.
func (s *Sender) luck(m *Message, throw int) *dice {
	if m.again {
		throw += 1 << 30
	}
	d := dice(s.config.Seed ^ hash(m.LogID) ^ uint64(throw)*0x9e3779b97f4a7c15)
	return &d
}

// resent is a message as a person sends it again from its log: a new attempt with the same content.
func (m *Message) resent(d *dice) *Message {
	again := m.retried(d)
	again.again = true
	return again
}

// retried is a message with another AttemptID.
func (m *Message) retried(d *dice) *Message {
	next := *m
	next.Attempt = d.uuid()
	next.Body = bytes.Replace(m.Body, []byte(m.Attempt), []byte(next.Attempt), 1)
	return &next
}
