package extract

import (
	"fmt"
	"time"
)

// Delivery is one push as it arrived: exactly its bytes, and what was read of them to know it again.
type Delivery struct {
	Seq         int64  // order of arrival as the inbox keeps it; 0 before it is kept
	Destination string // the receiver's name
	// Key knows a delivery again: two with the same key and the same bytes are one, two with the same key and other bytes
	// are attempts at one, of which the later counts. At most MaxDeliveryKey bytes of printable ASCII.
	Key        string
	SHA256     [32]byte // of Body
	ReceivedAt time.Time
	SourceID   string    // the sending system; empty where the body does not say
	Model      string    // blanks removed; empty where the body does not say
	EventType  string    //
	EventAt    time.Time // when the sender says it sent it; zero where it does not
	Test       bool      // traffic that says of itself that it is for testing
	Body       []byte
}

// MaxDeliveryKey bounds Delivery.Key.
const MaxDeliveryKey = 200

// How far a sender's clock may be from ours before its times are not believed.
const (
	oldestEvent   = 10 * 365 * 24 * time.Hour
	furthestEvent = 24 * time.Hour
)

// Clock is the time by which a delivery is ordered among the others of its receiver: the sender's, where it may be believed.
func (d *Delivery) Clock() time.Time {
	if !d.EventAt.IsZero() && d.EventAt.After(d.ReceivedAt.Add(-oldestEvent)) && d.EventAt.Before(d.ReceivedAt.Add(furthestEvent)) {
		return d.EventAt
	}
	return d.ReceivedAt
}

// Version orders deliveries as text: by Clock, then by arrival.
func (d *Delivery) Version() string {
	return fmt.Sprintf("%s %016d", d.Clock().UTC().Format("2006-01-02T15:04:05.000000Z"), d.Seq)
}

// Outcome is what became of a delivery.
type Outcome string

// The outcomes of a delivery.
const (
	Pending   Outcome = "pending"   // kept, not looked at yet
	Applied   Outcome = "applied"   // its rows are in the tables
	Rejected  Outcome = "rejected"  // it could not be read; the reason says why
	Unhandled Outcome = "unhandled" // it could be read, and there are no tables for it
)

// Settled says what became of a delivery whose rows a batch brings. It is stored in the batch's transaction.
type Settled struct {
	Seq     int64
	Outcome Outcome
	Reason  string // of Rejected and Unhandled; no values
	Erase   bool   // its bytes go in the same transaction: it is about a person who was purged
}
