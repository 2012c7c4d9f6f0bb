package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"math/rand/v2"

	"syncd/extract"
)

var (
	//go:embed sql/counts_add.sql
	countsAddSQL string
	//go:embed sql/batch_keep.sql
	batchKeepSQL string
)

// merged is what a run keeps from batch to batch.
type merged struct {
	hasher   hasher
	copyBuf  []byte
	free     []*intake
	open     openRejects
	refused  int   // rows that Postgres refused
	vanished int64 // records that were moved out as vanished and nobody had approved
	gone     int64 // all that were
}

// freeIntakes bounds the buffers that a run keeps for its next batch.
const freeIntakes = 8

// work is one batch on its way into the warehouse.
type work struct {
	b       *extract.Batch
	scope   *scope   // of the batch: the first of scopes
	scopes  []*scope // with the further ones
	intakes []*intake
	loose   []extract.Reject // of no table
	reason  string
	staged  bool // new rows go through the stage too: one of them was there already
	careful bool // one half at a time, inside savepoints

	result   Result
	archives []*table // made in this transaction
	vanished int64    // records that go as vanished and nobody has approved
	gone     int64    // all that do
	held     []*going
}

// prepare sorts a batch by table.
func (r *Run) prepare(b *extract.Batch) (*work, error) {
	w := &work{b: b, reason: "missing at source"}
	if b.Closing != nil && (len(b.Rows) > 0 || b.Scope == nil) {
		return w, extract.Errorf(extract.KindInternal, "load batch", "a closing batch has a scope and no rows")
	}
	if len(b.Further) > 0 && (b.Scope == nil || b.Closing != nil || b.Moved != nil) {
		return w, extract.Errorf(extract.KindInternal, "load batch", "further scopes stand beside a scope of rows only")
	}
	for _, rows := range b.Rows {
		in, err := r.intake(w, rows.Table)
		if err != nil {
			return w, err
		}
		in.take(rows)
	}
	for _, reject := range b.Rejects {
		if reject.Table == nil {
			w.loose = append(w.loose, reject)
			continue
		}
		in, err := r.intake(w, reject.Table)
		if err != nil {
			return w, err
		}
		in.know(reject)
	}
	if b.Scope == nil {
		return w, w.loadable()
	}
	if b.Scope.Reason != "" {
		w.reason = b.Scope.Reason
	}
	for _, s := range append([]*extract.Scope{b.Scope}, b.Further...) {
		if err := r.span(w, s); err != nil {
			return w, err
		}
	}
	w.scope = w.scopes[0]
	if err := w.loadable(); err != nil {
		return w, err
	}
	return w, w.versioned()
}

// loadable refuses a batch that would settle deliveries without their rows: they stay pending until every table can be loaded.
func (w *work) loadable() error {
	if len(w.b.Settled) == 0 {
		return nil
	}
	for _, in := range w.intakes {
		if why := in.sh.t.blocked; why != "" {
			return &extract.Error{
				Kind: extract.KindPostgres, What: "load deliveries", Where: in.sh.t.String(), Cause: errors.New("the table cannot be loaded: " + why),
				Next: "mend the table, or see what waits: syncd plan; the deliveries are kept until then",
			}
		}
	}
	return nil
}

// span puts the tables of a scope into it.
func (r *Run) span(w *work, s *extract.Scope) error {
	sc := newScope(s)
	w.scopes = append(w.scopes, sc)
	for _, t := range s.Tables {
		in, err := r.intake(w, t)
		if err != nil {
			return err
		}
		if in.inScope {
			return extract.Errorf(extract.KindInternal, "load batch", "%s is in two scopes of one batch", t.Name)
		}
		in.inScope, in.closing, in.scope = true, w.b.Closing, sc
	}
	return nil
}

// intake finds or makes the intake of a table.
func (r *Run) intake(w *work, t *extract.Table) (*intake, error) {
	sh, err := r.tables.of(t)
	if err != nil {
		return nil, err
	}
	for _, in := range w.intakes {
		if in.sh == sh {
			return in, nil
		}
	}
	in := &intake{}
	if n := len(r.state.free); n > 0 {
		in, r.state.free = r.state.free[n-1], r.state.free[:n-1]
		in.reset()
	}
	in.sh = sh
	if in.index.seed == 0 {
		in.index.seed = rand.Uint64()
	}
	w.intakes = append(w.intakes, in)
	return in, nil
}

func (r *Run) release(w *work) {
	for _, in := range w.intakes {
		if len(r.state.free) < freeIntakes {
			in.rows, in.rejects, in.present = nil, nil, nil
			r.state.free = append(r.state.free, in)
		}
	}
}

// try loads a batch in one transaction.
func (r *Run) try(ctx context.Context, w *work) (*Result, error) {
	s, err := r.w.begin(ctx)
	if err != nil {
		return nil, err
	}
	panicked := true
	defer func() {
		if panicked {
			s.drop() // a transaction left open would keep the claim's row locked
		}
	}()
	w.result, w.archives, w.vanished, w.gone, w.held = Result{}, nil, 0, 0, nil
	if w.scope != nil {
		w.scope.renamed = nil
	}
	now, seen, err := r.compare(ctx, s, w)
	if err == nil && seen == nil {
		now, err = r.renameRecords(ctx, s, w, now)
	}
	if err == nil && seen == nil {
		err = r.write(ctx, s, w, now)
	}
	panicked = false
	if err != nil {
		s.drop()
		w.forget()
		return nil, err
	}
	if seen != nil {
		s.drop()
		w.forget()
		w.advance()
		return seen, nil
	}
	if err := s.commit(ctx); err != nil {
		w.forget()
		return nil, err
	}
	w.advance()
	r.state.vanished += w.vanished
	r.state.gone += w.gone
	return &w.result, nil
}

// doubt gives up what was believed of tables just made: a row was there already.
func (w *work) doubt() {
	for _, in := range w.intakes {
		in.sh.fresh = false
	}
}

// advance takes note of what is stored now.
func (w *work) advance() {
	for _, in := range w.intakes {
		if in.inScope || in.rows != nil {
			in.sh.advance(in.scope, in.inScope)
		}
	}
}

// forget takes back what a transaction made that was given up.
func (w *work) forget() {
	for _, t := range w.archives {
		t.archive = nil
	}
}

// write does what the comparison found, and writes it down.
func (r *Run) write(ctx context.Context, s *session, w *work, now clock) error {
	w.unread()
	if err := r.brake(ctx, s, w); err != nil {
		return err
	}
	for _, in := range w.intakes {
		if err := r.mergeRows(ctx, s, w, in, now); err != nil {
			return err
		}
		if err := r.moveMissing(ctx, s, w, in, now); err != nil {
			return err
		}
		if err := r.resolveRejects(ctx, s, in); err != nil {
			return err
		}
	}
	if err := r.keepVersions(ctx, s, w, now); err != nil {
		return err
	}
	return r.settle(ctx, s, w, now)
}

// unread gives up moving anything out where the key of a rejected row could not be read.
func (w *work) unread() {
	for _, reject := range w.loose {
		w.result.KeysUnread = w.result.KeysUnread || len(reject.Key) == 0
	}
	for _, in := range w.intakes {
		w.result.KeysUnread = w.result.KeysUnread || in.whole
	}
	if !w.result.KeysUnread {
		return
	}
	for _, in := range w.intakes {
		in.missing.reset()
	}
}

// mergeRows brings the rows of one table into it.
func (r *Run) mergeRows(ctx context.Context, s *session, w *work, in *intake, now clock) error {
	if in.rows == nil || in.sh.t.blocked != "" {
		return nil
	}
	if err := r.reread(ctx, s, in); err != nil {
		return err
	}
	added, replaced := in.pick(fresh), in.pick(changed)
	if err := s.welcomeBack(ctx, in, added); err != nil {
		return err
	}
	merge := r.stage
	if w.careful {
		merge = r.bisect
	}
	if w.careful || w.staged {
		added, replaced = nil, append(added, replaced...)
	}
	if len(replaced) > 0 {
		in.print(&r.state.hasher)
	}
	if len(added) > 0 {
		if err := r.copyNew(ctx, s, in, added, now); err != nil {
			return err
		}
	}
	if len(replaced) == 0 {
		return nil
	}
	return merge(ctx, s, in, replaced, now)
}

// settle writes rejects, counts, marks and the batch itself, after it has made sure that every row is accounted for.
func (r *Run) settle(ctx context.Context, s *session, w *work, now clock) error {
	rejects := w.loose
	w.result.At = now.at
	for _, in := range w.intakes {
		rejects = append(rejects, in.rejects...)
		in.tally()
		r.behind = r.behind || in.waits()
		if err := in.counts.Balance(); err != nil {
			return extract.Errorf(extract.KindInternal, "load batch", "%s: %w", in.sh.t, err)
		}
		w.result.Tables = append(w.result.Tables, TableResult{Schema: in.sh.t.schema, Table: in.sh.t.logical(), Counts: in.counts})
	}
	if err := r.countBlocked(w); err != nil {
		return err
	}
	var err error
	if w.result.NewRejects, err = r.keepRejects(ctx, s, rejects); err != nil {
		return err
	}
	if err := r.addCounts(ctx, s, w.result.Tables); err != nil {
		return err
	}
	if err := r.keepMarks(ctx, s.tx, w.b); err != nil {
		return err
	}
	if err := r.settleDeliveries(ctx, s.tx, w.b.Settled, now.at); err != nil {
		return err
	}
	counts, err := json.Marshal(w.result)
	if err != nil {
		return extract.Errorf(extract.KindInternal, "load batch", "%w", err)
	}
	if _, err := s.tx.Exec(ctx, batchKeepSQL, r.id, r.seq, counts, now.at); err != nil {
		return err
	}
	_, err = s.tx.Exec(ctx, claimBeatSQL, r.job, r.chunk, r.epoch)
	return err
}

func (r *Run) addCounts(ctx context.Context, s *session, tables []TableResult) error {
	var schemas, names []string
	counts := make([][]int64, 12)
	for _, t := range tables {
		if t.Counts == (Counts{Stored: t.Stored}) {
			continue // the scope names it and nothing happened there
		}
		schemas, names = append(schemas, t.Schema), append(names, t.Table)
		for i, n := range []int64{
			t.Read, t.Inserted, t.Updated, t.Unchanged, t.Reencoded, t.Superseded,
			t.Duplicate, t.Rejected, t.Blocked, t.Deleted, t.NonConforming, t.Missing,
		} {
			counts[i] = append(counts[i], n)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err := s.tx.Exec(ctx, countsAddSQL, r.id, schemas, names, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5],
		counts[6], counts[7], counts[8], counts[9], counts[10], counts[11])
	return err
}
