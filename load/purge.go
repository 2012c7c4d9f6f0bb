package load

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/installation_id.sql
	installationSQL string
	//go:embed sql/purge_holders.sql
	purgeHoldersSQL string
)

// Purge asks that one person is erased: from tables, archives, history, rejects and the inbox, in one transaction, and is not loaded
// again.
type Purge struct {
	Job    string // the job or receiver
	Schema string
	Actor  string
	Key    []byte // of the hashes by which the person is known again
	DryRun bool   // count, and change nothing
	// Most is how many patients one person may turn out to be; more are refused. 0: mostPatients.
	Most int
	// Keep is called with the entry of the journal before anything is committed; its error undoes all. nil where nothing is to be kept.
	Keep func(PurgeEntry) error
	// Again says that the person was purged before and came back with a backup: nothing waits for being found.
	Again bool
}

// mostPatients is how many patients of a receiver one person may be, if nobody says otherwise.
const mostPatients = 10

// PurgeEntry is what is kept of a purge outside of the database, so that it can be done again after a restore. It names nobody.
type PurgeEntry struct {
	Version      int       `json:"version"`
	At           time.Time `json:"at"`
	Installation string    `json:"installation"`
	Job          string    `json:"job"`
	Schema       string    `json:"schema"`
	Actor        string    `json:"by"`
	Hashes       []string  `json:"hashes"`
}

// PurgedTable is how many rows of one table went.
type PurgedTable struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
}

// Purged is what a purge erased. It names nobody.
type Purged struct {
	PurgeEntry
	Subject string        `json:"subject"` // keyed hash of the name that was given
	Tables  []PurgedTable `json:"tables"`
	Rows    int64         `json:"rows"`
	Notes   []string      `json:"notes,omitempty"`
}

// purge is a purge under way, in its transaction.
type purge struct {
	Purge
	w      *Warehouse
	tx     pgx.Tx
	counts map[[2]string]int64
	out    *Purged
	names  map[string]bool // of the person, joined
}

// erase runs a purge in one transaction. claims are the jobs whose runs are kept out meanwhile.
func (w *Warehouse) erase(ctx context.Context, p Purge, take func(context.Context, pgx.Tx) error, do func(context.Context, *purge) error) (*Purged, error) {
	var out, committing *Purged
	what := "purge from " + p.Job
	err := w.transact(ctx, what, func(tx pgx.Tx) error {
		one := &purge{Purge: p, w: w, tx: tx, counts: map[[2]string]int64{}, names: map[string]bool{}, out: &Purged{}}
		out = one.out
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '1h'; SET LOCAL idle_in_transaction_session_timeout = '10min'"); err != nil {
			return err
		}
		if !p.DryRun {
			if err := take(ctx, tx); err != nil {
				return err
			}
		}
		if err := one.head(ctx); err != nil {
			return err
		}
		if err := do(ctx, one); err != nil {
			return err
		}
		one.sum()
		if p.DryRun {
			return errDryRun
		}
		if err := one.settle(ctx); err != nil {
			return err
		}
		if committing == nil || out.Rows > 0 { // of a COMMIT without an answer a second try finds nothing
			committing = out
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if committing != nil {
		out = committing
	}
	return out, nil
}

// errDryRun undoes a purge that was only to be counted.
var errDryRun = errors.New("nothing is written")

func (p *purge) head(ctx context.Context) error {
	p.out.Version, p.out.Job, p.out.Schema, p.out.Actor = 1, p.Job, p.Schema, p.Actor
	return p.tx.QueryRow(ctx, installationSQL).Scan(&p.out.At, &p.out.Installation)
}

// call adds a name of the person.
func (p *purge) call(name ...string) { p.names[extract.JoinKey(name...)] = true }

// went counts rows of a table.
func (p *purge) went(schema, table string, n int64) {
	if n > 0 {
		p.counts[[2]string{schema, table}] += n
	}
}

func (p *purge) note(format string, args ...any) {
	p.out.Notes = append(p.out.Notes, fmt.Sprintf(format, args...))
}

func (p *purge) sum() {
	for at, n := range p.counts {
		p.out.Tables = append(p.out.Tables, PurgedTable{at[0], at[1], n})
		p.out.Rows += n
	}
	slices.SortFunc(p.out.Tables, func(a, b PurgedTable) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	for _, name := range slices.Sorted(maps.Keys(p.names)) {
		h := extract.PersonHash(p.Key, p.Schema, extract.SplitKey(name)...)
		p.out.Hashes = append(p.out.Hashes, hex.EncodeToString(h[:]))
	}
}

// subject sets what stands for the person in what is written down.
func (p *purge) subject(name ...string) {
	h := extract.PersonHash(p.Key, p.Schema, name...)
	p.out.Subject = hex.EncodeToString(h[:])
}

// settle remembers the person, writes the audit and the journal.
func (p *purge) settle(ctx context.Context) error {
	hashes := make([][]byte, len(p.out.Hashes))
	for i, text := range p.out.Hashes {
		hashes[i], _ = hex.DecodeString(text) // made by sum
	}
	if _, err := p.tx.Exec(ctx, blockedKeepSQL, p.Schema, hashes); err != nil {
		return err
	}
	detail := map[string]any{"subject": p.out.Subject, "rows": p.out.Rows, "tables": p.out.Tables, "again": p.Again}
	if err := audit(ctx, p.tx, p.Actor, "purge", p.Job, detail); err != nil {
		return err
	}
	if p.Keep == nil {
		return nil
	}
	return p.Keep(p.out.PurgeEntry)
}

// exec runs a DELETE and counts what went.
func (p *purge) exec(ctx context.Context, schema, table, sql string, args ...any) error {
	tag, err := p.tx.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", schema, table, err)
	}
	p.went(schema, table, tag.RowsAffected())
	return nil
}

// keys runs a DELETE ... RETURNING text columns, counts what went and returns them.
func (p *purge) keys(ctx context.Context, schema, table, sql string, args ...any) ([][]string, error) {
	rows, err := p.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", schema, table, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
		raw := row.RawValues()
		cells := make([]string, len(raw))
		for i, v := range raw {
			cells[i] = string(v)
		}
		return cells, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", schema, table, err)
	}
	p.went(schema, table, int64(len(all)))
	return all, nil
}

// waitForClaim takes the claim of a job for a purge; a run that is alive is in the way.
func waitForClaim(job string) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		if _, err := takeClaim(ctx, tx, job, ""); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, claimFreeSQL, job, "") // whoever held it before is refused
		return err
	}
}

// seizeClaims takes the claims of drains: what they have in hand is given up, and stays pending. The next drain begins in a moment.
func seizeClaims(jobs []string) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		for _, job := range jobs {
			if err := lockClaim(ctx, tx, job, ""); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, purgeHoldersSQL, job)
			if err != nil {
				return err
			}
			runs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				return err
			}
			for _, run := range runs {
				if _, err := tx.Exec(ctx, runLostSQL, run, "a purge took the claim; what was pending is drained by the next run"); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, claimFreeSQL, job, ""); err != nil {
				return err
			}
		}
		return nil
	}
}

// storedSide is what is stored of one table of a source: live, moved out, and past states, as far as they are there.
type storedSide struct {
	schema, name string
	names        map[string]*attribute
	side         extract.Side
}

// sides finds the physical tables that hold rows of a table: itself, its archive and its history.
func (s stored) sides(base string, t *table) []storedSide {
	out := []storedSide{{t.schema, t.name, t.names, t.side}}
	for _, side := range []extract.Side{archiveSide, extract.History} {
		if o := s[place{side, t.name}]; o != nil && o.exists && o != t {
			out = append(out, storedSide{base + string(side), o.name, o.names, side})
		}
	}
	return out
}

// StoredTables lists the tables of a job that are there, with their columns, the key first, by the names under which they are stored.
func (w *Warehouse) StoredTables(ctx context.Context, schema string) ([]*extract.Table, error) {
	s, err := readStored(ctx, w.pool, schema)
	if err != nil {
		return nil, fault("read tables of "+schema, err)
	}
	return s.described(), nil
}

func (s stored) described() []*extract.Table {
	var all []*extract.Table
	for _, t := range s {
		if !t.known || !t.exists || !t.isTable {
			continue
		}
		d := &extract.Table{Side: t.side, Name: t.name, Source: t.source}
		for _, c := range t.keys() {
			d.Columns = append(d.Columns, extract.Column{Name: c.name, Source: c.def.Source, Type: c.typ, Key: true})
		}
		for _, c := range t.columns {
			if !slices.Contains(t.primary, c.name) && t.names[c.name] != nil {
				d.Columns = append(d.Columns, extract.Column{Name: c.name, Source: c.def.Source, Type: c.typ})
			}
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *extract.Table) int { return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Name, b.Name)) })
	return all
}
