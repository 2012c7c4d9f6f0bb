package load

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
)

// moveChunk is how many rows one statement moves.
const moveChunk = 5000

// moveMissing moves out what is stored in the scope and missing in the batch.
func (r *Run) moveMissing(ctx context.Context, s *session, w *work, in *intake, now clock) error {
	if in.missing.len() == 0 {
		return nil
	}
	keys := make([]int, in.missing.len())
	for i := range keys {
		keys[i] = i
	}
	in.missing.sorted(keys)
	if r.deletes == ForGood {
		return s.deleteRows(ctx, in, keys)
	}
	if err := r.needArchive(ctx, s, w, in.sh.t); err != nil {
		return err
	}
	if in.sh.t.archive == nil {
		w.result.Kept += int64(in.missing.len())
		return nil
	}
	sql := moveOut(in.sh.t, archived(in.sh.t))
	for len(keys) > 0 {
		n := min(len(keys), moveChunk)
		params := textArrays(&in.missing, keys[:n], in.sh.keys)
		formats := slices.Repeat([]int16{asBinary}, len(params))
		params = append(params, now.text, strconv.AppendInt(nil, r.id, 10), []byte(w.reason))
		formats = append(formats, asText, asText, asText)
		result := s.pg.ExecParams(ctx, sql, params, nil, formats, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		if got := result.CommandTag.RowsAffected(); got != int64(n) {
			return extract.Errorf(extract.KindInternal, "move rows out", "%s: %d rows were to go, %d went", in.sh.t, n, got)
		}
		in.counts.Deleted += int64(n)
		keys = keys[n:]
	}
	return nil
}

// deleteRows deletes rows for good.
func (s *session) deleteRows(ctx context.Context, in *intake, keys []int) error {
	for chunk := range slices.Chunk(keys, moveChunk) {
		if err := s.exec(ctx, deleteRows(in.sh.t), textArrays(&in.missing, chunk, in.sh.keys), len(chunk)); err != nil {
			return err
		}
		in.counts.Deleted += int64(len(chunk))
	}
	return nil
}

// archived lists the columns that a table and its archive have in common, the key first.
func archived(t *table) []string {
	columns := slices.Clone(t.primary)
	for _, c := range t.columns {
		if !c.key && t.archive.names[c.name] != nil {
			columns = append(columns, c.name)
		}
	}
	for _, c := range ownColumns(t.names[versionColumn] != nil && t.archive.names[versionColumn] != nil) {
		columns = append(columns, c.name)
	}
	return columns
}

// needArchive makes the archive of a table when the first row goes there. Where somebody else changes structure it has
// to be there; if it is not, nothing is moved and the result says so.
func (r *Run) needArchive(ctx context.Context, s *session, w *work, t *table) error {
	if t.archive != nil || r.w.ddl == Plan {
		return nil
	}
	schema := r.schema + string(archiveSide)
	var exists bool
	if err := s.tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", ident(schema)).Scan(&exists); err != nil {
		return err
	}
	var ddl []string
	if !exists {
		ddl = createSchema(schema, schemaComment(r.job, archiveSide))
	}
	ddl = append(ddl, createArchive(schema, t.name, t.comment, t.columns, t.names[versionColumn] != nil)...)
	if err := s.simple(ctx, strings.Join(ddl, ";\n")); err != nil {
		return err
	}
	t.archive = &table{schema: schema, name: t.name, names: map[string]*attribute{}, exists: true, primary: t.primary}
	for _, c := range t.columns {
		t.archive.names[c.name] = &attribute{name: c.name, typ: c.typ.String()}
	}
	if v := t.names[versionColumn]; v != nil {
		t.archive.names[versionColumn] = v
	}
	w.archives = append(w.archives, t)
	return nil
}

// welcomeBack takes rows that come into the table out of its archive.
func (s *session) welcomeBack(ctx context.Context, in *intake, rows []int) error {
	if in.sh.t.archive == nil || len(rows) == 0 {
		return nil
	}
	pick := in.index.keys.sorted(slices.Clone(rows))
	sql := leaveArchive(in.sh.t)
	for len(pick) > 0 {
		n := min(len(pick), moveChunk)
		if _, err := s.touch(ctx, sql, textArrays(&in.index.keys, pick[:n], in.sh.keys)); err != nil {
			return err
		}
		pick = pick[n:]
	}
	return nil
}
