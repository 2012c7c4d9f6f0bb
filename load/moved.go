package load

import (
	"bytes"
	"context"
	_ "embed"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"

	"syncd/extract"
)

//go:embed sql/record_rename.sql
var recordRenameSQL string

// A record that is called otherwise at the source looks like one that is gone and one that is new. Where the source says
// so, or where what is stored under the one name is exactly what came under the other, its rows are renamed in place: they
// keep their _inserted_at, and nothing is moved out.

// renameRecords renames the records of a batch that are stored under another name, and compares the batch again.
func (r *Run) renameRecords(ctx context.Context, s *session, w *work, now clock) (clock, error) {
	if w.b.Moved == nil {
		return now, nil
	}
	if w.scope == nil || w.scope.width != 1 || w.b.Closing != nil {
		return now, extract.Errorf(extract.KindInternal, "rename records", "records that moved need a scope of records")
	}
	pairs := w.sure()
	found, err := r.recognise(ctx, s, w, pairs)
	if err != nil {
		return now, err
	}
	for old, to := range found {
		pairs[old] = to
	}
	if len(pairs) == 0 {
		return now, nil
	}
	moved, err := r.moveRecords(ctx, s, w, pairs)
	if err != nil || len(moved) == 0 {
		return now, err
	}
	var olds, news []string
	w.scope.renamed = map[string]bool{}
	for _, old := range moved {
		olds, news = append(olds, old), append(news, pairs[old])
		w.scope.renamed[pairs[old]] = true
	}
	if _, err := s.tx.Exec(ctx, recordRenameSQL, r.schema, olds, news, r.id); err != nil {
		return now, err
	}
	w.result.Renamed = int64(len(moved))
	again, _, err := r.compare(ctx, s, w)
	return again, err
}

// sure are the renames that the source has told of, as far as the batch is the truth about them. A source tells the same
// for a while: one whose new name is stored, and not given up by another, was made before. Two that exchange their names
// cannot be told from two that have done so; their rows are compared as they are.
func (w *work) sure() map[string]string {
	pairs, taken := map[string]string{}, map[string]bool{}
	for _, p := range w.b.Moved.Sure {
		old, to := p[0], p[1]
		if old != to && pairs[old] == "" && !taken[to] && w.scope.has([]byte(to)) {
			pairs[old], taken[to] = to, true
		}
	}
	stored := w.stored()
	for again := true; again; {
		again = false
		for old, to := range pairs {
			if _, leaves := pairs[to]; stored[to] && !leaves {
				delete(pairs, old)
				again = true
			}
		}
	}
	_, rings := inOrder(pairs, asideValue)
	for _, ring := range rings {
		for _, leg := range ring {
			delete(pairs, leg.old)
		}
	}
	return pairs
}

// stored are the records of the scope of which something is stored, as the comparison has found.
func (w *work) stored() map[string]bool {
	out := map[string]bool{}
	for _, in := range w.intakes {
		if !in.inScope {
			continue
		}
		for i, f := range in.fates {
			if f == unchanged || f == changed || f == superseded {
				out[string(part(in.index.keys.at(i), 0))] = true
			}
		}
		for i := range in.missing.len() {
			out[string(part(in.missing.at(i), 0))] = true
		}
	}
	return out
}

// recognise finds the records that came under another name by what they hold. It finds none where so many are gone that
// the brake would hold them, or where the batch does not tell everything about its records.
func (r *Run) recognise(ctx context.Context, s *session, w *work, sure map[string]string) (map[string]string, error) {
	var named []string
	for _, to := range sure {
		named = append(named, to)
	}
	from := distinct(w.b.Moved.From)
	there := r.brought(w, from)
	from = slices.DeleteFunc(from, func(key string) bool { return sure[key] != "" || there[key] != nil })
	to := slices.DeleteFunc(distinct(w.b.Moved.To), func(key string) bool { return slices.Contains(named, key) || !w.scope.has([]byte(key)) })
	if len(from) == 0 || len(to) == 0 || !w.whole() {
		return nil, nil
	}
	if many, err := r.overLimit(ctx, s, w, int64(len(w.b.Moved.From))); many || err != nil {
		return nil, err
	}
	come := r.brought(w, to)
	if len(come) == 0 {
		return nil, nil
	}
	stored, err := r.held(ctx, s, w, from)
	if err != nil {
		return nil, err
	}
	pairs := map[string]string{}
	here := come.byDigest()
	for digest, olds := range stored.byDigest() {
		if news := here[digest]; len(olds) == 1 && len(news) == 1 && stored[olds[0]].detail {
			pairs[olds[0]] = news[0]
		}
	}
	return pairs, nil
}

func distinct(keys []string) []string {
	out := slices.Clone(keys)
	slices.Sort(out)
	return slices.Compact(out)
}

// whole reports whether a batch could be read and compared in all tables of its scope.
func (w *work) whole() bool {
	for _, reject := range w.loose {
		if len(reject.Key) == 0 {
			return false
		}
	}
	return !slices.ContainsFunc(w.intakes, func(in *intake) bool { return in.whole || in.inScope && in.sh.t.blocked != "" })
}

// overLimit reports whether the brake would hold so many records.
func (r *Run) overLimit(ctx context.Context, s *session, w *work, n int64) (bool, error) {
	most, share := limits(w.b)
	if n <= most {
		return false, nil
	}
	var live int64
	for _, in := range w.intakes {
		if !in.inScope || in.sh.t.blocked != "" {
			continue
		}
		var records int64
		if err := s.tx.QueryRow(ctx, countKeys(in.sh.t, 1)).Scan(&records); err != nil {
			return false, err
		}
		live = max(live, records)
	}
	return n*100 > live*share, nil
}

// contents is what records hold beside their name.
type contents map[string]*recordContent

type recordContent struct {
	rows   [][16]byte
	detail bool // it has a row in a table of more than one row for each record
}

func (c contents) add(key string, row [16]byte, detail bool) {
	if c[key] == nil {
		c[key] = &recordContent{}
	}
	c[key].rows = append(c[key].rows, row)
	c[key].detail = c[key].detail || detail
}

// byDigest lists records by what they hold, whatever the order in which their rows came.
func (c contents) byDigest() map[[16]byte][]string {
	out := map[[16]byte][]string{}
	var text []byte
	for key, record := range c {
		slices.SortFunc(record.rows, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
		text = text[:0]
		for _, row := range record.rows {
			text = append(text, row[:]...)
		}
		digest := xxh3.Hash128(text).Bytes()
		out[digest] = append(out[digest], key)
	}
	return out
}

// brought is what a batch brings of some records. One of which a row was rejected is left out.
func (r *Run) brought(w *work, keys []string) contents {
	out := contents{}
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	for _, in := range w.intakes {
		for i, f := range in.fates {
			key := part(in.index.keys.at(i), 0)
			if in.inScope && f == rejected || in.counted(in.index.keys.at(i)) {
				delete(wanted, string(key))
			}
		}
		for key := range in.present {
			delete(wanted, string(part([]byte(key), 0)))
		}
	}
	h := &r.state.hasher
	for _, in := range w.intakes {
		if !in.inScope || in.rows == nil {
			continue
		}
		for i, f := range in.fates {
			key := string(part(in.index.keys.at(i), 0))
			if f != duplicate && wanted[key] {
				out.add(key, h.content(in.sh, in.rows, i, in.notes(i)), in.sh.keys > 1)
			}
		}
	}
	return out
}

// held is what is stored of some records, read chunk by chunk.
func (r *Run) held(ctx context.Context, s *session, w *work, keys []string) (contents, error) {
	out := contents{}
	for chunk := range slices.Chunk(keys, compareChunk) {
		for _, in := range w.intakes {
			if !in.inScope {
				continue
			}
			rows, err := s.tx.Query(ctx, selectRecords(in.sh.t, in.sh.columns), pgx.QueryResultFormats{pgx.TextFormatCode}, chunk)
			if err != nil {
				return nil, err
			}
			for rows.Next() {
				values := rows.RawValues()
				out.add(string(values[0]), r.state.hasher.storedContent(in.sh, values[1:]), in.sh.keys > 1)
			}
			if err := rows.Err(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// moveRecords renames records in all tables of the scope, and says of which there was anything. What comes into a table
// under its new name leaves the archive, as a row that comes back does.
func (r *Run) moveRecords(ctx context.Context, s *session, w *work, pairs map[string]string) ([]string, error) {
	there := map[string]bool{}
	chains, _ := inOrder(pairs, asideValue)
	steps := slices.Collect(slices.Chunk(chains, compareChunk))
	if slices.ContainsFunc(chains, func(p pair) bool { return pairs[p.new] != "" }) { // one needs the name that another gives up
		steps = slices.Collect(slices.Chunk(chains, 1))
	}
	for _, in := range w.intakes {
		if !in.inScope || in.sh.t.blocked != "" {
			continue
		}
		for _, step := range steps {
			var olds, news []string
			for _, p := range step {
				olds, news = append(olds, p.old), append(news, p.new)
			}
			rows, err := s.tx.Query(ctx, renameRecords(in.sh.t), olds, news)
			if err != nil {
				return nil, err
			}
			moved, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return nil, err
			}
			for _, old := range moved {
				there[old] = true
			}
			if in.sh.t.archive == nil || len(moved) == 0 {
				continue
			}
			if _, err := s.tx.Exec(ctx, leaveArchiveTo(in.sh.t), news); err != nil {
				return nil, err
			}
		}
	}
	moved := make([]string, 0, len(there))
	for old := range there {
		moved = append(moved, old)
	}
	slices.Sort(moved)
	return moved, nil
}
