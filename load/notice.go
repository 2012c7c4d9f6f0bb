package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/standing_jobs.sql
	standingJobsSQL string
	//go:embed sql/standing_runs.sql
	standingRunsSQL string
	//go:embed sql/standing_slots.sql
	standingSlotsSQL string
	//go:embed sql/standing_backfills.sql
	standingBackfillsSQL string
	//go:embed sql/standing_refused.sql
	standingRefusedSQL string
	//go:embed sql/sighting_list.sql
	sightingListSQL string
	//go:embed sql/sighting_keep.sql
	sightingKeepSQL string
	//go:embed sql/notice_list.sql
	noticeListSQL string
	//go:embed sql/notice_add.sql
	noticeAddSQL string
	//go:embed sql/notice_change.sql
	noticeChangeSQL string
	//go:embed sql/notice_forget.sql
	noticeForgetSQL string
	//go:embed sql/message_add.sql
	messageAddSQL string
)

// noticesKnown is for how long after its end a notice is still looked at.
const noticesKnown = 48 * time.Hour

// Standing is how everything stands, as the ledger has it at one instant. What wants telling is made of it.
type Standing struct {
	Now       time.Time
	Jobs      []JobStanding
	Runs      []RunStanding
	Slots     []SlotStanding
	Backfills []FailedBackfill
	Down      []Outage
	Receivers []Receiver
	Refused   []Refused
	Sightings []Sighting
	Notices   []Notice // that hold, and that ended within the last two days
}

// JobStanding is one job, or what drains a receiver.
type JobStanding struct {
	Job, Source string
	FirstSeen   time.Time
	FreshAt     *time.Time // start of the last run that succeeded, or of the last backfill of everything
	Due         int64      // slots that wait to be run
	Running     int64      // slots that are being run
	UnderWay    *time.Time // since when a run is under way
	Rejects     int64      // rows that could not be stored, and have not been since
	RejectedAt  time.Time  // when the last of them was seen
	Pending     int64      // changes of structure that wait
	PendingAt   time.Time  // since when
	Paused      bool       // it, or its source
}

// RunStanding is the last run of a job of one kind that ended for a reason of its own.
type RunStanding struct {
	Job, Kind  string
	RunID      int64
	State      State
	Verdict    Verdict
	ErrorKind  string
	Began, End time.Time
	Again      bool  // its slot is to be run once more
	Held       int64 // keys that wait for approval
}

// SlotStanding is a slot that failed without a run, the last of its job and kind that ended.
type SlotStanding struct {
	Job, Kind string
	At, Ended time.Time
}

// FailedBackfill is a backfill that nobody has resumed or cancelled.
type FailedBackfill struct {
	Job string
	ID  int64
	At  time.Time
}

// Refused is how many deliveries of a receiver could not be read, and when the last of them came in.
type Refused struct {
	Receiver   string
	Deliveries int64
	LastAt     time.Time
}

// Sighting is what only a process can see, such as when a certificate ends.
type Sighting struct {
	Cause, Subject string
	SeenAt         time.Time
	ExpiresAt      *time.Time
}

// Notice is a condition that somebody should know of, from when it began until it ended.
type Notice struct {
	ID             int64 // 0: not written yet
	Cause, Subject string
	Began          time.Time
	Noticed        time.Time
	Last           time.Time // when it was last found to hold
	Told           *time.Time
	Ended          *time.Time
	EndTold        *time.Time // or when it was found that there was nothing to tell
	Count          int64
	ToldCount      int64 // of the time when it was told
	RunID          int64
}

// Message is what a notifier is to send.
type Message struct {
	ID       int64
	Notifier string
	Cause    string
	Body     []byte // JSON
	Made     time.Time
	Tries    int // this one included
}

// Decision is what an evaluation changes.
type Decision struct {
	Notices  []Notice // that are new or changed
	Messages []Message
}

// Evaluate has decide look at how everything stands and writes down what it decides, in one transaction: messages are made where
// and only where their notices are noted as told. Replicas do this one at a time; where another is at it, nothing is done. A zero
// now is the clock of Postgres.
func (w *Warehouse) Evaluate(ctx context.Context, now time.Time, decide func(Standing) (Decision, error)) error {
	return w.transact(ctx, "evaluate notices", func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended('syncd.notice', 0))").Scan(&mine); err != nil || !mine {
			return err
		}
		s, err := standing(ctx, tx, now)
		if err != nil {
			return err
		}
		d, err := decide(s)
		if err != nil {
			return err
		}
		return d.write(ctx, tx, s.Now)
	})
}

// Standing reads how everything stands, without the notices.
func (w *Warehouse) Standing(ctx context.Context) (s Standing, err error) {
	err = pgx.BeginTxFunc(ctx, w.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		s, err = standing(ctx, tx, time.Time{})
		return err
	})
	return s, fault("read how jobs stand", err)
}

func standing(ctx context.Context, tx pgx.Tx, now time.Time) (s Standing, err error) {
	if s.Now = now; now.IsZero() {
		if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&s.Now); err != nil {
			return s, err
		}
	}
	errs := [...]error{
		into(ctx, tx, &s.Jobs, standingJobsSQL),
		into(ctx, tx, &s.Runs, standingRunsSQL),
		into(ctx, tx, &s.Slots, standingSlotsSQL),
		into(ctx, tx, &s.Backfills, standingBackfillsSQL),
		into(ctx, tx, &s.Down, circuitListSQL),
		into(ctx, tx, &s.Receivers, receiverListSQL),
		into(ctx, tx, &s.Refused, standingRefusedSQL),
		into(ctx, tx, &s.Sightings, sightingListSQL, s.Now),
		into(ctx, tx, &s.Notices, noticeListSQL, s.Now.Add(-noticesKnown)),
	}
	return s, errors.Join(errs[:]...)
}

// into reads the rows of a query into a list of structs whose fields are in the order of its columns.
func into[T any](ctx context.Context, tx pgx.Tx, list *[]T, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	*list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	return err
}

func (d Decision) write(ctx context.Context, tx pgx.Tx, now time.Time) error {
	b := &pgx.Batch{}
	for _, n := range d.Notices {
		if n.ID == 0 {
			b.Queue(noticeAddSQL, n.Cause, n.Subject, n.Began, n.Noticed, n.Last, n.Told, n.Ended, n.EndTold, n.Count, n.ToldCount, n.RunID)
		} else {
			b.Queue(noticeChangeSQL, n.ID, n.Began, n.Last, n.Told, n.Ended, n.EndTold, n.Count, n.ToldCount, n.RunID)
		}
	}
	for _, m := range d.Messages {
		b.Queue(messageAddSQL, m.Notifier, m.Cause, m.Body, now)
	}
	b.Queue(noticeForgetSQL, now)
	return tx.SendBatch(ctx, b).Close()
}

// AccountSeen is the cause of sightings of accounts that end.
const AccountSeen = "account_expiring"

// accountFor is how long it counts when an account ends, where no run sees it again.
const accountFor = 8 * 24 * time.Hour

// SeeAccount writes down when the account ends by which a job reads its source. A zero instant is not known, and nothing is written.
func (w *Warehouse) SeeAccount(ctx context.Context, job string, ends time.Time) error {
	if ends.IsZero() {
		return nil
	}
	now, err := w.Now(ctx)
	if err != nil {
		return err
	}
	return w.See(ctx, "", accountFor, []Sighting{{Cause: AccountSeen, Subject: job, SeenAt: now, ExpiresAt: &ends}})
}

// See writes down what this process sees, by the names of whom it holds for: with replica empty one answer holds for all. What is
// not seen again holds until then.
func (w *Warehouse) See(ctx context.Context, replica string, lasts time.Duration, seen []Sighting) error {
	if len(seen) == 0 {
		return nil
	}
	n := len(seen)
	causes, subjects, at, until, expires := make([]string, n), make([]string, n), make([]time.Time, n), make([]time.Time, n), make([]*time.Time, n)
	for i, s := range seen {
		causes[i], subjects[i], at[i], until[i], expires[i] = s.Cause, s.Subject, s.SeenAt, s.SeenAt.Add(lasts), s.ExpiresAt
	}
	_, err := w.pool.Exec(ctx, sightingKeepSQL, replica, causes, subjects, at, until, expires)
	return fault(fmt.Sprintf("keep %d sightings", n), err)
}
