package load

import (
	"context"
	_ "embed"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

//go:embed sql/purge_keys.sql
var purgeKeysSQL string

// Block remembers persons who were purged from a schema.
func (w *Warehouse) Block(ctx context.Context, schema string, hashes [][32]byte) error {
	all := make([][]byte, len(hashes))
	for i, h := range hashes {
		all[i] = h[:]
	}
	_, err := w.pool.Exec(ctx, blockedKeepSQL, schema, all)
	return fault("remember who was purged", err)
}

// RecordsOf lists every name of a record that a job's tables and the ledger hold.
func (w *Warehouse) RecordsOf(ctx context.Context, job, schema string, persons func([]*extract.Table) extract.Persons) ([]string, error) {
	s, err := readStored(ctx, w.pool, schema)
	if err != nil {
		return nil, fault("read tables of "+schema, err)
	}
	found := map[string]bool{}
	add := func(sql string, args ...any) error {
		rows, err := w.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		var name string
		_, err = pgx.ForEachRow(rows, []any{&name}, func() error { found[name] = true; return nil })
		return err
	}
	for _, c := range persons(s.described()).Columns {
		t := s.named(c.Table.Side, c.Table.Name)
		if t == nil || c.Whole {
			continue
		}
		for _, at := range s.sides(schema, t) {
			if at.names[c.Column] == nil {
				continue
			}
			if err := add(selectNames(at, c.Column)); err != nil {
				return nil, fault("read names of "+at.schema+"."+at.name, err)
			}
		}
	}
	if err := add(purgeKeysSQL, job, schema); err != nil {
		return nil, fault("read names of "+job, err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// PatientsOf lists every identifier of a patient that a receiver's tables and deliveries hold.
func (w *Warehouse) PatientsOf(ctx context.Context, feed Feed) ([]extract.PatientID, error) {
	found := map[extract.PatientID]bool{}
	for _, s := range feed.Streams {
		st, err := readStored(ctx, w.pool, s.Schema)
		if err != nil {
			return nil, fault("read tables of "+s.Schema, err)
		}
		for _, thing := range feed.Things {
			for _, t := range thing.Tables {
				for _, at := range st.physical(s.Schema, t.Name) {
					if !at.has(t) {
						continue
					}
					for _, columns := range t.People {
						rows, err := w.pool.Query(ctx, selectIdentifiers(at, t, columns))
						if err != nil {
							return nil, fault("read patients of "+at.schema+"."+at.name, err)
						}
						var id extract.PatientID
						if _, err := pgx.ForEachRow(rows, []any{&id.Source, &id.Type, &id.ID}, func() error { found[id] = true; return nil }); err != nil {
							return nil, fault("read patients of "+at.schema+"."+at.name, err)
						}
					}
				}
			}
		}
	}
	_, err := w.eachDelivery(ctx, w.pool, feed, []extract.PatientID{{}}, func(d *extract.Delivery) error {
		people, _ := feed.People(d)
		for _, person := range people {
			for _, id := range person {
				found[id] = true
			}
		}
		return nil
	})
	all := slices.Collect(maps.Keys(found))
	return all, fault("read deliveries", err)
}
