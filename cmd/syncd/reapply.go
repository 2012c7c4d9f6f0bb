package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/internal/config"
	"syncd/load"
)

// reapplyPurges does the purges of the journal again in a database that was restored: whoever they were about is looked for by the hash of
// every name that the database holds. It answers how many people came back with the backup and are gone again.
func (c *cli) reapplyPurges(ctx context.Context, cfg *config.Config, w *load.Warehouse) (purged int, err error) {
	entries, err := c.whoWasPurged(ctx, cfg, w)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	key, err := purgeKey(ctx, cfg)
	if err != nil {
		return 0, err
	}
	bySchema := map[string]map[[32]byte]bool{}
	for _, e := range entries {
		if bySchema[e.Schema] == nil {
			bySchema[e.Schema] = map[[32]byte]bool{}
		}
		for _, text := range e.Hashes {
			h, err := hex.DecodeString(text)
			if err != nil || len(h) != 32 {
				return purged, badJournal(cfg.Purge.Journal, "a hash that is none")
			}
			bySchema[e.Schema][[32]byte(h)] = true
		}
	}
	again := *c
	again.ctx = ctx
	p := &purger{cli: &again, cfg: cfg, w: w, key: key}
	for _, schema := range slices.Sorted(maps.Keys(bySchema)) {
		hashes := slices.Collect(maps.Keys(bySchema[schema]))
		if err := w.Block(ctx, schema, hashes); err != nil {
			return purged, err
		}
		n, err := p.again(schema, extract.NewBlocked(key, schema, hashes))
		if purged += n; err != nil {
			return purged, err
		}
	}
	return purged, nil
}

// whoWasPurged reads the journal. Where there is none, the backup may be of before the first purge; it is not where it knows of one itself.
func (c *cli) whoWasPurged(ctx context.Context, cfg *config.Config, w *load.Warehouse) ([]load.PurgeEntry, error) {
	some, err := w.AnyBlocked(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Purge.Journal == "" {
		if some {
			_, err = readPurgeKey(ctx, cfg.Purge.Key)
		}
		return nil, err
	}
	entries, err := readJournal(cfg.Purge.Journal)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return entries, err
	case some:
		return nil, badJournal(cfg.Purge.Journal, "it is not there, and people were purged")
	}
	fmt.Fprintf(c.Stderr, "there is no journal of purges (%s): nobody is purged again\n", cfg.Purge.Journal)
	return nil, nil
}

// again purges whoever is on the list and stands in the tables of a schema.
func (p *purger) again(schema string, list *extract.Blocked) (purged int, err error) {
	known, err := p.w.Jobs(p.ctx) // those that are not in jobs.toml any more among them
	if err != nil {
		return 0, err
	}
	for _, j := range known {
		switch {
		case j.Schema != schema:
		case isReceiver(j):
			feed, _, err := p.feed(&config.Receiver{Name: j.Job, Schema: schema})
			if err != nil {
				return 0, err
			}
			return p.patientsAgain(j.Job, schema, feed, list)
		case isProject(j):
			return p.recordsAgain(j.Job, schema, list)
		}
	}
	return 0, nil // the backup is older than the schema
}

func (p *purger) recordsAgain(name, schema string, list *extract.Blocked) (purged int, err error) {
	found, err := p.w.RecordsOf(p.ctx, name, schema, redcap.Persons)
	if err != nil {
		return 0, err
	}
	names := make([][]string, len(found))
	for i, record := range found {
		names[i] = []string{extract.PersonRecord, record}
	}
	return p.eachAgain(schema, list, names, func(i int) purgeDo { return p.record(name, schema, []string{found[i]}) })
}

func (p *purger) patientsAgain(name, schema string, feed load.Feed, list *extract.Blocked) (purged int, err error) {
	found, err := p.w.PatientsOf(p.ctx, feed)
	if err != nil {
		return 0, err
	}
	p.patients = len(found) + 1 // they were judged when they were purged
	names := make([][]string, len(found))
	for i, id := range found {
		names[i] = id.Name()
	}
	return p.eachAgain(schema, list, names, func(i int) purgeDo {
		return p.patientBy(name, schema, []extract.PatientID{found[i]}, feed)
	})
}

// eachAgain purges whoever has one of the names and is on the list, each person once.
func (p *purger) eachAgain(schema string, list *extract.Blocked, names [][]string, do func(i int) purgeDo) (purged int, err error) {
	gone := map[string]bool{}
	for i, name := range names {
		h := extract.PersonHash(p.key, schema, name...)
		if !list.Has(name...) || gone[hex.EncodeToString(h[:])] {
			continue
		}
		done, err := p.doAgain(do(i))
		if err != nil {
			return purged, err
		}
		for _, hash := range done.Hashes {
			gone[hash] = true
		}
		if done.Rows > 0 {
			purged++
		}
	}
	return purged, nil
}

func (p *purger) doAgain(do purgeDo) (*load.Purged, error) {
	return p.run(func(ctx context.Context, o load.Purge) (*load.Purged, error) {
		o.Again, o.Keep = true, nil
		return do(ctx, o)
	}, false)
}
