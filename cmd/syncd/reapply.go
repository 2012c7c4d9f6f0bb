package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/internal/config"
	"syncd/load"
)

// reapplyPurges does the purges of the journal again in a database that was restored: whoever they were about is looked for by the hash of
// every name that the database holds. It answers how many people came back with the backup and are gone again.
func (c *cli) reapplyPurges(ctx context.Context, cfg *config.Config, w *load.Warehouse) (purged int, err error) {
	if cfg.Purge.Key.IsZero() || cfg.Purge.Journal == "" {
		return 0, nil
	}
	entries, err := readJournal(cfg.Purge.Journal)
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

// again purges whoever is on the list and stands in the tables of a schema.
func (p *purger) again(schema string, list *extract.Blocked) (purged int, err error) {
	for _, name := range p.cfg.Names() {
		j := p.cfg.Jobs[name]
		if at, err := p.w.SchemaOf(p.ctx, name, j.Schema); err != nil || at != schema || j.Campus != nil {
			if err != nil {
				return purged, err
			}
			continue
		}
		return p.recordsAgain(name, schema, list)
	}
	for _, name := range p.cfg.ReceiverNames() {
		feed, at, err := p.feed(p.cfg.Receivers[name])
		if err != nil {
			return purged, err
		}
		if at == schema {
			return p.patientsAgain(name, schema, feed, list)
		}
	}
	return 0, nil // neither job nor receiver has the schema: nothing of it is loaded
}

func (p *purger) recordsAgain(name, schema string, list *extract.Blocked) (purged int, err error) {
	found, err := p.w.RecordsOf(p.ctx, name, schema, redcap.Persons)
	if err != nil {
		return 0, err
	}
	for _, record := range found {
		if !list.Has(extract.PersonRecord, record) {
			continue
		}
		done, err := p.doAgain(p.record(name, schema, []string{record}))
		if err != nil {
			return purged, err
		}
		if done.Rows > 0 {
			purged++
		}
	}
	return purged, nil
}

func (p *purger) patientsAgain(name, schema string, feed load.Feed, list *extract.Blocked) (purged int, err error) {
	found, err := p.w.PatientsOf(p.ctx, feed)
	if err != nil {
		return 0, err
	}
	p.patients = len(found) + 1 // they were judged when they were purged
	for _, id := range found {
		if !list.Has(id.Name()...) {
			continue
		}
		done, err := p.doAgain(p.patientBy(name, schema, []extract.PatientID{id}, feed))
		if err != nil {
			return purged, err
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

// readJournal reads what was purged. A last line that was cut off is no purge: it was written before anything was deleted.
func readJournal(path string) ([]load.PurgeEntry, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, badJournal(path, "it cannot be opened")
	}
	defer f.Close()
	var entries []load.PurgeEntry
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return entries, nil
		}
		var e load.PurgeEntry
		if json.Unmarshal(line, &e) != nil || e.Version != 1 || e.Schema == "" {
			return nil, badJournal(path, fmt.Sprintf("line %d is no purge", n))
		}
		entries = append(entries, e)
	}
}

func badJournal(path, why string) error {
	return &extract.Error{
		Kind: extract.KindConfig, What: "read the journal of purges", Where: path, Cause: errors.New(why),
		Next: "put the file back as it was: without it nobody knows who must not come back",
	}
}
