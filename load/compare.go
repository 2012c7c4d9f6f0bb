package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"syncd/extract"
)

var (
	//go:embed sql/batch_seen.sql
	batchSeenSQL string
	//go:embed sql/batch_plans.sql
	batchPlansSQL string
)

// compareChunk is how many keys one query of a comparison names.
const compareChunk = 1000

// Formats of the wire.
const (
	asText   = 0
	asBinary = 1
)

// clock is the batch's time: as Postgres prints it, and as Go knows it.
type clock struct {
	text []byte
	at   time.Time
	own  bool // it is the transaction's own time, which columns have by default
}

// compare locks the claim, reads the batch's time, looks whether the batch was committed before (then seen is set), and
// sorts the rows of all tables by what is stored: one round trip, in which the fingerprints of the rows are taken
// while Postgres looks up its own.
func (r *Run) compare(ctx context.Context, s *session, w *work) (now clock, seen *Result, err error) {
	for _, in := range w.intakes {
		in.again()
		if !in.inScope { // its keys are the question
			if err := in.hash(&r.state.hasher); err != nil {
				return now, nil, err
			}
		}
	}
	p := s.pipeline(ctx)
	defer func() { _ = p.Close() }() // after a failure the connection is not used again
	p.query(claimHoldSQL, [][]byte{[]byte(r.job), []byte(r.chunk)}, nil, nil)
	p.query(batchSeenSQL, [][]byte{strconv.AppendInt(nil, r.id, 10), strconv.AppendInt(nil, r.seq, 10)}, nil, nil)
	p.query(batchPlansSQL, nil, nil, nil)
	asked := make([]int, len(w.scopes))
	for i, sc := range w.scopes {
		asked[i] = sc.ask(p)
	}
	for _, in := range w.intakes {
		in.ask(p)
	}
	if err := p.Sync(); err != nil {
		return now, nil, err
	}
	for _, in := range w.intakes {
		if in.asked > 0 {
			in.print(&r.state.hasher)
		}
		if err := in.hash(&r.state.hasher); err != nil {
			return now, nil, err
		}
	}
	if now, seen, err = r.readHead(p); err != nil || seen != nil {
		return now, seen, err
	}
	for i, sc := range w.scopes {
		if err := sc.answer(p, asked[i]); err != nil {
			return now, nil, err
		}
	}
	for _, in := range w.intakes {
		if err := in.answer(p); err != nil {
			return now, nil, err
		}
		in.supersede()
	}
	return now, nil, p.Close()
}

// readHead reads the answers that come before the comparison's own.
func (r *Run) readHead(p *pipeline) (now clock, seen *Result, err error) {
	row, err := p.only()
	if err != nil {
		return now, nil, r.unclaimed(err)
	}
	epoch, err := strconv.ParseInt(string(row[0]), 10, 64)
	if err != nil || epoch != r.epoch || r.outlived() {
		return now, nil, &StaleError{Job: r.job, Chunk: r.chunk, Mine: r.epoch, Theirs: epoch}
	}
	if row, err = p.only(); err != nil {
		return now, nil, err
	}
	now.text = append(now.text, row[0]...)
	if now.at, err = time.Parse("2006-01-02 15:04:05.999999-07", string(now.text)); err != nil {
		return now, nil, extract.Errorf(extract.KindInternal, "read clock", "%w", err)
	}
	now.own = string(row[1]) == "t"
	if row[2] != nil {
		seen = &Result{Replayed: true}
		if err := json.Unmarshal(row[2], seen); err != nil {
			return now, nil, extract.Errorf(extract.KindInternal, "read counts", "%w", err)
		}
	}
	if _, err := p.only(); err != nil {
		return now, nil, err
	}
	return now, seen, nil
}

// ask sends the queries for what is stored: of the scope, or under the keys of the rows.
func (in *intake) ask(p *pipeline) {
	in.asked = 0
	if in.sh.t.blocked != "" {
		return
	}
	if in.sh.beyond(in.scope, in.inScope) {
		in.later = !in.hashed || in.later
		return
	}
	keys, width, pick := &in.index.keys, in.sh.keys, []int(nil)
	if in.inScope {
		keys, width, pick = &in.scope.index.keys, in.scope.width, in.scope.sorted
	} else {
		for i, f := range in.fates {
			if f == fresh {
				pick = append(pick, i)
			}
		}
		keys.sorted(pick)
	}
	formats := make([]int16, in.sh.keys+1)
	formats[in.sh.keys] = asBinary
	sql := selectFingerprints(in.sh.t, width)
	if width == 0 {
		p.query(sql, nil, nil, formats)
		in.asked = 1
		return
	}
	for len(pick) > 0 {
		n := min(len(pick), compareChunk)
		p.query(sql, textArrays(keys, pick[:n], width), []int16{asBinary}, formats)
		pick = pick[n:]
		in.asked++
	}
}

// answer reads what is stored and sorts the rows by it.
func (in *intake) answer(p *pipeline) error {
	var key []byte
	for range in.asked {
		rows, err := p.next()
		if err != nil {
			return err
		}
		for rows.NextRow() {
			values := rows.Values()
			key = joinParts(key[:0], values[:in.sh.keys])
			in.compare(key, values[in.sh.keys])
		}
		if _, err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

// reread reads the cells of rows whose fingerprint differs, where the table's shape has changed since some of its
// fingerprints were taken. A row that is the same under the shape of now is reencoded: only its fingerprint is renewed.
func (r *Run) reread(ctx context.Context, s *session, in *intake) error {
	if !in.sh.t.reshaped {
		return nil
	}
	differ := slices.DeleteFunc(in.pick(changed), in.renamed)
	in.index.keys.sorted(differ)
	if len(differ) == 0 {
		return nil
	}
	p := s.pipeline(ctx)
	defer func() { _ = p.Close() }()
	sql := selectCells(in.sh.t, in.sh.columns)
	asked := 0
	for rest := differ; len(rest) > 0; asked++ {
		n := min(len(rest), compareChunk)
		p.query(sql, textArrays(&in.index.keys, rest[:n], in.sh.keys), []int16{asBinary}, []int16{asText})
		rest = rest[n:]
	}
	if err := p.Sync(); err != nil {
		return err
	}
	var same []int
	var key []byte
	for range asked {
		rows, err := p.next()
		if err != nil {
			return err
		}
		for rows.NextRow() {
			values := rows.Values()
			key = joinParts(key[:0], values[:in.sh.keys])
			if i, ok := in.index.find(key); ok && r.state.hasher.storedRow(in.sh, values[in.sh.keys:]) == in.fps[i] {
				in.fates[i] = reencoded
				same = append(same, i)
			}
		}
		if _, err := rows.Close(); err != nil {
			return err
		}
	}
	if err := p.Close(); err != nil || len(same) == 0 || r.epoch == rehearsing {
		return err
	}
	return r.renew(ctx, s, in, same)
}

// renamed reports whether the record of a row was stored under another name: then the row did change.
func (in *intake) renamed(i int) bool {
	return in.scope != nil && in.scope.renamed[string(part(in.index.keys.at(i), 0))]
}

// renew gives rows their fingerprint of now and touches nothing else.
func (r *Run) renew(ctx context.Context, s *session, in *intake, rows []int) error {
	fps := make([][16]byte, len(rows))
	for k, i := range rows {
		fps[k] = in.fps[i]
	}
	params := append(textArrays(&in.index.keys, rows, in.sh.keys), uuidArray(fps))
	return s.exec(ctx, renewFingerprints(in.sh.t), params, len(rows))
}

func joinParts(dst []byte, parts [][]byte) []byte {
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, 0)
		}
		dst = append(dst, p...)
	}
	return dst
}
