package load

import (
	"bytes"
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

// digestLimit is how many keys one digest covers: Postgres makes one text of them, of at most 1 GB.
const digestLimit = 10_000_000

// Same compares digests, so that the keys themselves stay where they are.
func (h holdings) Same(ctx context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	sh, err := h.r.tables.of(t)
	if err != nil {
		return false, err
	}
	if !sh.t.exists || len(sh.t.primary) == 0 {
		return keys.Len() == 0, nil
	}
	if sh.t.keys()[0].typ != extract.Text || keys.Len() > digestLimit {
		return h.sameByKeys(ctx, t, keys)
	}
	var n int64
	if err := h.r.w.pool.QueryRow(ctx, countFirstKeys(sh.t)).Scan(&n); err != nil || n != int64(keys.Len()) {
		return false, fault("count keys of "+sh.t.String(), err)
	}
	var digest []byte
	err = h.r.w.pool.QueryRow(ctx, digestFirstKeys(sh.t)).Scan(&digest)
	want := keys.Digest()
	return bytes.Equal(digest, want[:]), fault("compare keys of "+sh.t.String(), err)
}

func (h holdings) sameByKeys(ctx context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	stored := new(extract.KeySet)
	if err := h.Keys(ctx, t, func(key string) error { stored.Add(key); return nil }); err != nil {
		return false, err
	}
	stored.Sort()
	return stored.Digest() == keys.Digest(), nil
}

// once reads keys that are not text in one answer, before any is handed out.
func (h holdings) once(ctx context.Context, t *table, yield func(key string) error) error {
	keys, err := h.read(ctx, selectFirstKeysOnce(t))
	if err != nil {
		return fault("read keys of "+t.String(), err)
	}
	for _, k := range keys {
		if err := yield(k); err != nil {
			return err
		}
	}
	return nil
}

func (h holdings) read(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := h.r.w.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
