package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

// patients counts the patients that the person's identifiers stand for.
func (r *patientPurge) patients(ctx context.Context) (int, error) {
	anchors := map[string]bool{}
	for i, s := range r.feed.Streams {
		for _, thing := range r.feed.Things {
			t := thing.Tables[0]
			if len(thing.Tables) != 1 || len(t.People) != 2 || len(t.Keys) != 5 {
				continue // of all identifiers with the one that stands for the patient
			}
			for _, at := range r.stored[i].physical(s.Schema, t.Name) {
				rows, err := r.tx.Query(ctx, selectPeople(at, t), r.arrays()...)
				if err != nil {
					return 0, err
				}
				if _, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (bool, error) {
					cells := row.RawValues()
					anchors[strings.Join([]string{string(cells[0]), string(cells[1]), string(cells[2])}, "\x00")] = true
					return true, nil
				}); err != nil {
					return 0, err
				}
			}
		}
	}
	return len(anchors), nil
}

// erase deletes everything that is about the person.
func (r *patientPurge) erase(ctx context.Context) error {
	for i, s := range r.feed.Streams {
		for _, thing := range r.feed.Things {
			if err := r.known(ctx, r.stored[i], s, thing); err != nil {
				return err
			}
		}
	}
	var keys []string
	for i, s := range r.feed.Streams {
		for _, thing := range r.feed.Things {
			gone, err := r.eraseThing(ctx, r.stored[i], s, thing)
			if err != nil {
				return err
			}
			keys = append(keys, gone...)
		}
	}
	return r.eraseInbox(ctx, keys)
}

// known learns of which deliveries the rows tell that are about the person by their own columns.
func (r *patientPurge) known(ctx context.Context, st stored, s FeedStream, thing extract.PersonThing) error {
	if thing.Shared {
		return nil // they tell of others, too
	}
	t := thing.Tables[0]
	for _, at := range st.physical(s.Schema, t.Name) {
		version := at.version()
		if len(t.People) == 0 || !at.has(t) || version == "" {
			continue
		}
		rows, err := r.tx.Query(ctx, selectVersionsOf(at, t, version), r.arrays()...)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", at.schema, at.name, err)
		}
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			r.seqs[seq] = true
		}
	}
	return nil
}

// version is the column that says which delivery a row tells of; empty where there is none.
func (at storedSide) version() string {
	for _, c := range []string{"version", versionColumn} {
		if (c == "version") == (at.side == extract.History) && at.names[c] != nil {
			return c
		}
	}
	return ""
}

// eraseThing deletes the rows of one kind of thing, and returns the keys of what went, as rejects spell them.
func (r *patientPurge) eraseThing(ctx context.Context, st stored, s FeedStream, thing extract.PersonThing) ([]string, error) {
	first := thing.Tables[0]
	width := len(first.Keys)
	var gone [][]string // keys of things of which rows went, wherever
	past := map[string][]string{}
	for _, at := range st.physical(s.Schema, first.Name) {
		if thing.Shared || !at.has(first) {
			continue
		}
		version := at.version()
		returning := first.Keys
		if version != "" {
			returning = append(slices.Clone(returning), version)
		}
		args := r.thingArgs(len(first.People) > 0, version != "")
		if len(args) == 0 {
			continue
		}
		rows, err := r.purge.keys(ctx, at.schema, at.name, deleteThings(at, first, version, returning), args...)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			gone = append(gone, row[:width])
			if at.side == extract.History {
				past[extract.JoinKey(row...)] = row
			}
		}
	}
	keys := map[string]bool{}
	for _, key := range gone {
		keys[strings.Join(key, "|")] = true
	}
	for n, t := range thing.Tables[1:] {
		for _, at := range st.physical(s.Schema, t.Name) {
			if thing.Shared {
				if err := r.eraseShared(ctx, st, s, thing, n+1, at); err != nil {
					return nil, err
				}
				continue
			}
			if err := r.eraseBelow(ctx, st, s, first, t, at, gone, slices.Collect(maps.Values(past))); err != nil {
				return nil, err
			}
		}
	}
	return slices.Collect(maps.Keys(keys)), nil
}

// eraseBelow deletes the rows of a table below things that went: of past states those of the same state, else those of things that are
// not there any more.
func (r *patientPurge) eraseBelow(ctx context.Context, st stored, s FeedStream, first, t extract.PersonTable, at storedSide, gone, past [][]string) error {
	width := len(first.Keys)
	if at.side == extract.History {
		if len(past) == 0 {
			return nil
		}
		columns := append(slices.Clone(t.Keys[:width]), "version")
		return r.exec(ctx, at.schema, at.name, deleteByKey(at, columns, nil), transposed(past, width+1)...)
	}
	if len(gone) == 0 {
		return nil
	}
	var live *storedSide
	for _, o := range st.physical(s.Schema, first.Name) {
		if o.side == extract.Live {
			live = &o
		}
	}
	return r.exec(ctx, at.schema, at.name, deleteByKey(at, t.Keys[:width], r.unless(live, first)), transposed(gone, width)...)
}

// unless is the live table of things, where one that is still there keeps what is below it.
func (r *patientPurge) unless(live *storedSide, first extract.PersonTable) *liveThings {
	if live == nil {
		return nil
	}
	return &liveThings{*live, first.Keys}
}

// eraseShared deletes from a thing that tells of several people the rows of one of them, and what is below those.
func (r *patientPurge) eraseShared(ctx context.Context, st stored, s FeedStream, thing extract.PersonThing, n int, at storedSide) error {
	t := thing.Tables[n]
	if len(t.People) == 0 || !at.has(t) {
		return nil // goes with the rows that it is below
	}
	returning := slices.Clone(t.Keys)
	if at.side == extract.History {
		returning = append(returning, "version")
	}
	rows, err := r.purge.keys(ctx, at.schema, at.name, deletePeople(at, t, returning), r.arrays()...)
	if err != nil || len(rows) == 0 {
		return err
	}
	for _, below := range thing.Tables[n+1:] {
		if len(below.People) > 0 || len(below.Keys) < len(t.Keys) {
			continue
		}
		for _, o := range st.physical(s.Schema, below.Name) {
			if o.side != at.side {
				continue
			}
			columns := slices.Clone(below.Keys[:len(t.Keys)])
			if at.side == extract.History {
				columns = append(columns, "version")
			}
			if err := r.exec(ctx, o.schema, o.name, deleteByKey(o, columns, nil), transposed(rows, len(columns))...); err != nil {
				return err
			}
		}
	}
	return nil
}

// thingArgs are, as parameters, the person's identifiers and the ends of the versions that deliveries about the person made.
func (r *patientPurge) thingArgs(people, versions bool) (args []any) {
	if people {
		args = r.arrays()
	}
	if versions {
		states := make([]string, 0, len(r.seqs))
		for seq := range r.seqs {
			states = append(states, fmt.Sprintf("%016d", seq))
		}
		args = append(args, states)
	}
	return args
}

// transposed makes a list for each of the first columns of rows.
func transposed(rows [][]string, width int) []any {
	lists := make([]any, width)
	for i := range width {
		column := make([]string, len(rows))
		for n, row := range rows {
			column[n] = row[i]
		}
		lists[i] = column
	}
	return lists
}

// eraseInbox deletes the bytes of the deliveries about the person, and their rejects. That they came, and by what they are known again,
// stays: it names nobody.
func (r *patientPurge) eraseInbox(ctx context.Context, keys []string) error {
	seqs := slices.Sorted(maps.Keys(r.seqs))
	if err := r.exec(ctx, "syncd", "payload", payloadEraseSQL, seqs); err != nil {
		return err
	}
	if _, err := r.tx.Exec(ctx, purgeSettleSQL, seqs); err != nil {
		return err
	}
	rows, err := r.tx.Query(ctx, "SELECT dedupe_key FROM syncd.delivery WHERE seq = ANY ($1::bigint[])", seqs)
	if err != nil {
		return err
	}
	deliveries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var jobs []string
	for _, s := range r.feed.Streams {
		jobs = append(jobs, s.Job)
	}
	var raws [][]byte
	for id := range r.ids {
		raws = append(raws, []byte(id.ID))
	}
	if r.others > 0 {
		r.note("%d deliveries were about other people as well: their bytes are gone, and cannot be replayed; the rows of the others stay", r.others)
	}
	if r.broken > 0 {
		r.note("%d deliveries could not be read and held an identifier: their bytes are gone", r.broken)
	}
	return r.exec(ctx, "syncd", "reject", purgePatientRejectsSQL, jobs, deliveries, keys, raws)
}
