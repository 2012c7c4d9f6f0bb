package load

import (
	"context"
	_ "embed"
	"time"
)

var (
	//go:embed sql/receiver_list.sql
	receiverListSQL string
	//go:embed sql/receiver_traffic.sql
	receiverTrafficSQL string
	//go:embed sql/receiver_tokens.sql
	receiverTokensSQL string
	//go:embed sql/reject_list.sql
	rejectListSQL string
	//go:embed sql/delivery_refused.sql
	deliveryRefusedSQL string
)

// Receiver is a receiver of pushes as the ledger knows it.
type Receiver struct {
	Name           string     `json:"receiver"`
	VerifiedAt     *time.Time `json:"verified_at"`             // when it was last verified from outside
	VerifiedForm   string     `json:"verified_form,omitempty"` // how: GET or POST
	LastProduction *time.Time `json:"last_production_at"`      // when the last delivery came in that is no test
	Pending        int64      `json:"pending"`                 // deliveries that nothing was done with, tests too
	OldestPending  *time.Time `json:"oldest_pending_at"`
}

// Traffic counts deliveries of one sender, model and event that ended in one way.
type Traffic struct {
	Receiver       string    `json:"-"`
	Test           bool      `json:"test"`
	SourceID       string    `json:"source_id"`
	Model          string    `json:"model"`
	EventType      string    `json:"event_type"`
	Outcome        string    `json:"outcome"` // an extract.Outcome, pending among them
	Deliveries     int64     `json:"deliveries"`
	LastReceivedAt time.Time `json:"last_received_at"`
}

// TokenUse is how often a verification token let somebody in. The token itself is not known here.
type TokenUse struct {
	Receiver    string    `json:"-"`
	Fingerprint string    `json:"fingerprint"`
	Uses        int64     `json:"uses"`
	FirstUsedAt time.Time `json:"first_used_at"`
	LastUsedAt  time.Time `json:"last_used_at"`
}

// Receivers lists the receivers that were ever verified or pushed to, by name.
func (w *Warehouse) Receivers(ctx context.Context) ([]Receiver, error) {
	all, err := collect[Receiver](ctx, w, receiverListSQL)
	return all, fault("list receivers", err)
}

// Traffic lists what was pushed, by receiver, sender, model, event and outcome.
func (w *Warehouse) Traffic(ctx context.Context) ([]Traffic, error) {
	all, err := collect[Traffic](ctx, w, receiverTrafficSQL)
	return all, fault("list traffic", err)
}

// TokenUses lists how often verification tokens were used, by receiver, the one used last first.
func (w *Warehouse) TokenUses(ctx context.Context) ([]TokenUse, error) {
	all, err := collect[TokenUse](ctx, w, receiverTokensSQL)
	return all, fault("list token uses", err)
}

// OpenReject counts rows of a job that could not be stored and have not been since.
type OpenReject struct {
	Job     string    `json:"job"`
	Table   string    `json:"table"`
	Column  string    `json:"column,omitempty"`
	Rule    string    `json:"rule"`
	Count   int64     `json:"count"`
	FirstAt time.Time `json:"first_at"`
	LastAt  time.Time `json:"last_at"`
}

// Rejects counts the rows of a job, or of all where it is empty, that could not be stored and have not been since.
func (w *Warehouse) Rejects(ctx context.Context, job string) ([]OpenReject, error) {
	all, err := collect[OpenReject](ctx, w, rejectListSQL, job)
	return all, fault("list rejects", err)
}

// RefusedCount counts deliveries that could not be read, or that there are no tables for.
type RefusedCount struct {
	Receiver  string    `json:"receiver"`
	Test      bool      `json:"test"`
	Model     string    `json:"model"`
	EventType string    `json:"event_type"`
	State     string    `json:"state"` // rejected or unhandled
	Reason    string    `json:"reason"`
	Count     int64     `json:"count"`
	FirstAt   time.Time `json:"first_at"`
	LastAt    time.Time `json:"last_at"`
}

// RefusedDeliveries counts the deliveries of a receiver, or of all where it is empty, that could not be read or have no tables.
func (w *Warehouse) RefusedDeliveries(ctx context.Context, receiver string) ([]RefusedCount, error) {
	all, err := collect[RefusedCount](ctx, w, deliveryRefusedSQL, receiver)
	return all, fault("list refused deliveries", err)
}
