package load

import (
	"context"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

// Stored answers what the warehouse holds of the run's tables.
func (r *Run) Stored() extract.Stored { return holdings{r} }

type holdings struct{ r *Run }

const keyPage = 20_000

// Keys yields the distinct values of the first key column of t, live rows only, ascending bytewise. It reads page by
// page, so that a slow reader keeps no transaction open.
func (h holdings) Keys(ctx context.Context, t *extract.Table, yield func(key string) error) error {
	sh, err := h.r.tables.of(t)
	if err != nil {
		return err
	}
	if !sh.t.exists || len(sh.t.primary) == 0 {
		return nil
	}
	if sh.t.keys()[0].typ != extract.Text {
		return h.once(ctx, sh.t, yield)
	}
	var after *string
	for {
		keys, err := h.read(ctx, selectFirstKeys(sh.t), after, keyPage)
		if err != nil {
			return fault("read keys of "+sh.t.String(), err)
		}
		for _, k := range keys {
			if err := yield(k); err != nil {
				return err
			}
		}
		if len(keys) < keyPage {
			return nil
		}
		after = &keys[len(keys)-1]
	}
}

// Same holds each stored key against the set as it comes in: Postgres sorts nothing, and nothing is kept.
func (h holdings) Same(ctx context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	sh, err := h.r.tables.of(t)
	if err != nil {
		return false, err
	}
	if !sh.t.exists || len(sh.t.primary) == 0 {
		return keys.Len() == 0, nil
	}
	same, err := h.same(ctx, allFirstKeys(sh.t), keys)
	return same, fault("compare keys of "+sh.t.String(), err)
}

// same reports whether the rows of a query, of which no two are alike, are exactly those of a set, their columns joined.
func (h holdings) same(ctx context.Context, sql string, set *extract.KeySet) (bool, error) {
	rows, err := h.r.w.pool.Query(ctx, sql)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var key []byte
	found, at := 0, 0
	for rows.Next() {
		key = joinParts(key[:0], rows.RawValues())
		place, known := set.Place(key, at)
		if !known {
			return false, nil
		}
		found, at = found+1, place
	}
	return found == set.Len(), rows.Err()
}

// Values reads page by page, as Keys does.
func (h holdings) Values(ctx context.Context, t *extract.Table, column string, yield func(key, value string) error) error {
	sh, err := h.valued(t, column)
	if err != nil || sh == nil {
		return err
	}
	type pair struct{ Key, Value string }
	var after *string
	for {
		rows, err := h.r.w.pool.Query(ctx, selectValues(sh.t, sh.t.at(column)), after, keyPage)
		if err != nil {
			return fault("read "+column+" of "+sh.t.String(), err)
		}
		page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
		if err != nil {
			return fault("read "+column+" of "+sh.t.String(), err)
		}
		for _, p := range page {
			if err := yield(p.Key, p.Value); err != nil {
				return err
			}
		}
		if len(page) < keyPage {
			return nil
		}
		after = &page[len(page)-1].Key
	}
}

// SameValues does with pairs of key and value what Same does with keys.
func (h holdings) SameValues(ctx context.Context, t *extract.Table, column string, pairs *extract.KeySet) (bool, error) {
	sh, err := h.valued(t, column)
	if err != nil {
		return false, err
	}
	if sh == nil {
		return pairs.Len() == 0, nil
	}
	same, err := h.same(ctx, allValues(sh.t, sh.t.at(column)), pairs)
	return same, fault("compare "+column+" of "+sh.t.String(), err)
}

// valued finds a table whose key is one text column and that has the column; nil where nothing is stored of it.
func (h holdings) valued(t *extract.Table, column string) (*shape, error) {
	sh, err := h.r.tables.of(t)
	if err != nil || !sh.t.exists || sh.t.of(column) == nil {
		return nil, err
	}
	if keys := sh.t.keys(); len(keys) != 1 || keys[0].typ != extract.Text || sh.t.of(column).typ != extract.Text {
		return nil, extract.Errorf(extract.KindInternal, "read values", "%s has no key of one text column, or %s is not text", sh.t, column)
	}
	return sh, nil
}

// once reads keys that are not text in one answer: Postgres sorts them, and none is kept.
func (h holdings) once(ctx context.Context, t *table, yield func(key string) error) error {
	rows, err := h.r.w.pool.Query(ctx, selectFirstKeysOnce(t))
	if err != nil {
		return fault("read keys of "+t.String(), err)
	}
	var key string
	var refused error
	_, err = pgx.ForEachRow(rows, []any{&key}, func() error { refused = yield(key); return refused })
	if refused != nil {
		return refused
	}
	return fault("read keys of "+t.String(), err)
}

func (h holdings) read(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := h.r.w.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
