package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"

	"syncd/extract"
)

var (
	//go:embed sql/purge_renames.sql
	purgeRenamesSQL string
	//go:embed sql/purge_rename_rows.sql
	purgeRenameRowsSQL string
	//go:embed sql/purge_rejects.sql
	purgeRejectsSQL string
	//go:embed sql/purge_held.sql
	purgeHeldSQL string
	//go:embed sql/purge_marks.sql
	purgeMarksSQL string
	//go:embed sql/purge_chunks.sql
	purgeChunksSQL string
)

// PurgeRecord erases a record of a job under all names that it ever had. persons says which columns of the job's tables name records.
// It answers *BusyError while a run of the job is at work.
func (w *Warehouse) PurgeRecord(ctx context.Context, p Purge, records []string, persons func([]*extract.Table) extract.Persons) (*Purged, error) {
	return w.erase(ctx, p, waitForClaim(p.Job), func(ctx context.Context, one *purge) error {
		s, err := readStored(ctx, one.tx, p.Schema)
		if err != nil {
			return err
		}
		r := &recordPurge{purge: one, stored: s, of: persons(s.described())}
		r.subject(extract.PersonRecord, records[0])
		if err := r.find(ctx, records); err != nil {
			return err
		}
		return r.erase(ctx)
	})
}

// recordPurge erases a person who is a record.
type recordPurge struct {
	*purge
	stored stored
	of     extract.Persons
	all    []string // names
	keys   map[[16]byte]bool
}

// find finds every name that the record has or had. A name that another record has now is not one of them any more.
func (r *recordPurge) find(ctx context.Context, records []string) error {
	found := map[string]bool{}
	for _, name := range records {
		found[name] = true
	}
	live := map[string]bool{}
	for _, c := range r.of.Columns {
		if !c.Roll {
			continue
		}
		rows, err := r.tx.Query(ctx, selectPersons(r.Schema, c))
		if err != nil {
			return err
		}
		lower := map[string]bool{}
		for name := range found {
			lower[strings.ToLower(name)] = true
		}
		var name string
		if _, err := pgx.ForEachRow(rows, []any{&name}, func() error {
			live[name] = true
			if lower[strings.ToLower(name)] {
				found[name] = true
			}
			return nil
		}); err != nil {
			return err
		}
	}
	taken := 0
	if err := r.follow(ctx, found, live, &taken); err != nil {
		return err
	}
	if taken > 0 {
		r.note("%d names that the record had before are those of other records now: what is left under them stays", taken)
	}
	r.all = slices.Sorted(maps.Keys(found))
	for _, name := range r.all {
		r.call(extract.PersonRecord, name)
	}
	return nil
}

// follow adds the names that records were found under after others, forwards and backwards.
func (r *recordPurge) follow(ctx context.Context, found, live map[string]bool, taken *int) error {
	rows, err := r.tx.Query(ctx, purgeRenamesSQL, r.Schema)
	if err != nil {
		return err
	}
	renames, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Old, New string }])
	if err != nil {
		return err
	}
	asked := maps.Clone(found)
	others := map[string]bool{}
	for more := true; more; {
		more = false
		for _, x := range renames {
			switch {
			case found[x.New] && !found[x.Old] && live[x.Old]:
				others[x.Old] = true
			case found[x.New] && !found[x.Old], found[x.Old] && !found[x.New] && !(live[x.Old] && asked[x.Old]):
				found[x.Old], found[x.New], more = true, true, true
			}
		}
	}
	*taken = len(others)
	return nil
}

func (r *recordPurge) erase(ctx context.Context) error {
	r.keys = map[[16]byte]bool{}
	for _, name := range r.all {
		r.keys[xxh3.HashString128(name).Bytes()] = true
	}
	contents := map[string]bool{}
	if err := r.eraseColumns(ctx, false, contents); err != nil {
		return err
	}
	if err := r.eraseContents(ctx, slices.Sorted(maps.Keys(contents))); err != nil {
		return err
	}
	if err := r.eraseLedger(ctx); err != nil || len(r.counts) == 0 {
		return err // of somebody who is not there nobody's rows go
	}
	return r.eraseColumns(ctx, true, contents)
}

// eraseColumns deletes the person's rows: from tables that tell whom they are about or, whole, from those that do not.
func (r *recordPurge) eraseColumns(ctx context.Context, whole bool, contents map[string]bool) error {
	for _, c := range r.of.Columns {
		if c.Whole != whole {
			continue
		}
		t := r.stored.named(c.Table.Side, c.Table.Name)
		if t == nil {
			continue
		}
		for _, side := range r.stored.sides(r.Schema, t) {
			if err := r.eraseRows(ctx, c, t, side, contents); err != nil {
				return err
			}
		}
		if whole {
			r.note("%s does not show the record id: nobody can tell which rows of it are about whom, and all are gone", t)
		}
	}
	return nil
}

// named finds a table by the name that it has in Postgres.
func (s stored) named(side extract.Side, name string) *table {
	for _, t := range s {
		if t.side == side && t.name == name {
			return t
		}
	}
	return nil
}

// eraseRows deletes the person's rows from one physical table, and notes their keys and contents.
func (r *recordPurge) eraseRows(ctx context.Context, c extract.PersonColumn, t *table, at storedSide, contents map[string]bool) error {
	if !c.Whole && at.names[c.Column] == nil {
		return nil
	}
	var returning []string
	if c.First {
		returning = t.primary
	}
	if c.Content != "" && at.names[c.Content] != nil {
		returning = append(slices.Clone(returning), c.Content)
	}
	sql, args := deletePersons(at, c, returning), []any{r.all}
	if c.Whole {
		args = nil
	}
	if len(returning) == 0 {
		return r.exec(ctx, at.schema, at.name, sql, args...)
	}
	rows, err := r.purge.keys(ctx, at.schema, at.name, sql, args...)
	for _, row := range rows {
		if c.First {
			r.keys[xxh3.HashString128(extract.JoinKey(row[:len(t.primary)]...)).Bytes()] = true
		}
		if c.Content != "" && len(row) > len(returning)-1 && row[len(row)-1] != "" {
			contents[row[len(row)-1]] = true
		}
	}
	return err
}

// eraseContents deletes contents that no row refers to any more.
func (r *recordPurge) eraseContents(ctx context.Context, shas []string) error {
	if len(shas) == 0 || r.of.Contents == nil {
		return nil
	}
	c := r.of.Contents
	t := r.stored.named(c.Table.Side, c.Table.Name)
	if t == nil {
		return nil
	}
	var referrers []storedSide
	var columns []string
	for _, f := range c.Referrers {
		if from := r.stored.named(f.Table.Side, f.Table.Name); from != nil {
			for _, side := range r.stored.sides(r.Schema, from) {
				if side.names[f.Content] != nil {
					referrers, columns = append(referrers, side), append(columns, f.Content)
				}
			}
		}
	}
	for _, side := range r.stored.sides(r.Schema, t) {
		if err := r.exec(ctx, side.schema, side.name, deleteContents(side, c.Column, referrers, columns), shas); err != nil {
			return err
		}
	}
	return nil
}

// eraseLedger deletes what the ledger holds of the person.
func (r *recordPurge) eraseLedger(ctx context.Context) error {
	hashes := slices.Collect(maps.Keys(r.keys))
	keyed, loose := []string{}, []string{}
	for _, c := range r.of.Columns {
		switch t := r.stored.named(c.Table.Side, c.Table.Name); {
		case t == nil:
		case c.First:
			keyed = append(keyed, t.logical())
		default:
			loose = append(loose, t.logical())
		}
	}
	raws := make([][]byte, len(r.all))
	for i, name := range r.all {
		raws[i] = []byte(name)
	}
	for _, s := range []struct {
		table, sql string
		args       []any
	}{
		{"reject", purgeRejectsSQL, []any{r.Job, keyed, r.all, hashes, raws, loose}},
		{"record_rename", purgeRenameRowsSQL, []any{r.Schema, r.all}},
		{"held", purgeHeldSQL, []any{r.Job, hashes}},
		{"mark", purgeMarksSQL, []any{r.Job, r.all}},
		{"backfill_chunk", purgeChunksSQL, []any{r.Job, r.all}},
	} {
		if err := r.exec(ctx, "syncd", s.table, s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// errNothing says that there is nothing to purge.
var errNothing = errors.New("nothing is stored of it")

// Nothing makes the error of a purge that found nothing.
func Nothing(job string) error {
	return &extract.Error{
		Kind: extract.KindConfig, What: "purge", Where: job, Cause: errNothing,
		Next: fmt.Sprintf("look at how it is written in the tables of %s: names count byte by byte; nothing was changed, and nobody is blocked", job),
	}
}
