package load

import (
	"context"
	_ "embed"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"

	"syncd/extract"
)

var (
	//go:embed sql/reject_open.sql
	rejectOpenSQL string
	//go:embed sql/reject_keep.sql
	rejectKeepSQL string
	//go:embed sql/reject_resolve.sql
	rejectResolveSQL string
)

// openRejects are the hashes of keys that have an unresolved reject, by table.
type openRejects map[string]map[[16]byte]bool

// readRejects learns which keys wait to be stored, so that a batch can say when they are.
func (r *Run) readRejects(ctx context.Context) error {
	rows, err := r.w.pool.Query(ctx, rejectOpenSQL, r.job)
	if err != nil {
		return fault("read rejects", err)
	}
	r.state.open = openRejects{}
	var table string
	var hash [16]byte
	_, err = pgx.ForEachRow(rows, []any{&table, &hash}, func() error {
		r.state.open.add(table, hash)
		return nil
	})
	return fault("read rejects", err)
}

func (o openRejects) add(table string, hash [16]byte) {
	if o[table] == nil {
		o[table] = map[[16]byte]bool{}
	}
	o[table][hash] = true
}

// rejectHash tells the rejects of one table apart: by key, or by what was sent where there is none.
func rejectHash(r extract.Reject) [16]byte {
	if len(r.Key) == 0 {
		return xxh3.Hash128(r.Raw).Bytes()
	}
	return xxh3.HashString128(extract.JoinKey(r.Key...)).Bytes()
}

// resolveRejects says of rejects that a row with their key is stored now.
func (r *Run) resolveRejects(ctx context.Context, s *session, in *intake) error {
	open := r.state.open[in.sh.src.Name]
	if len(open) == 0 || in.rows == nil || in.sh.t.blocked != "" {
		return nil
	}
	var found [][16]byte
	for i, f := range in.fates {
		if f == rejected {
			continue
		}
		key := in.index.keys.at(i)
		for _, k := range [][]byte{key, prefix(key, 1)} {
			if hash := xxh3.Hash128(k).Bytes(); open[hash] {
				found = append(found, hash)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	_, err := s.tx.Exec(ctx, rejectResolveSQL, r.job, in.sh.src.Name, found)
	return err
}

// keepRejects writes the rejects of a batch and answers how many of them are new.
func (r *Run) keepRejects(ctx context.Context, s *session, rejects []extract.Reject) (fresh int64, err error) {
	type identity struct {
		table, column, rule string
		hash                [16]byte
	}
	seen := map[identity]bool{}
	var tables, keys, columns, rules, states []string
	var hashes [][16]byte
	var raws [][]byte
	for _, reject := range rejects {
		id := identity{column: reject.Column, rule: reject.Rule, hash: rejectHash(reject)}
		if reject.Table != nil {
			id.table = reject.Table.Name
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		tables, columns, rules, hashes = append(tables, id.table), append(columns, id.column), append(rules, id.rule), append(hashes, id.hash)
		keys = append(keys, plainText(strings.Join(reject.Key, "|")))
		states, raws = append(states, reject.SQLState), append(raws, reject.Raw)
		r.state.open.add(id.table, id.hash)
	}
	if len(seen) == 0 {
		return 0, nil
	}
	err = s.tx.QueryRow(ctx, rejectKeepSQL, r.job, r.id, tables, hashes, keys, columns, rules, states, raws).Scan(&fresh)
	return fresh, err
}
