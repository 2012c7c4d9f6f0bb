package redcap

import (
	"bytes"
	"context"
	"slices"
	"time"

	"syncd/extract"
)

// fileTables are what the files of records are pulled into: their names stand in the records, so that they are of the same
// batch and the same scope as their record.
type fileTables struct {
	file    *extract.Table
	content *extract.Table // nil where names alone are pulled
}

// Columns of redcap_file after the record's three.
const (
	fileFieldColumn = "field_name"
	fileNameColumn  = "file_name"
)

// oldFileName is what servers of long ago show in place of every file's name (reference 3.5).
const oldFileName = "[document]"

// newFileTables describes redcap_file; nil where files are not pulled.
func (m *model) newFileTables(o Options) *fileTables {
	if !o.pulls(pullFiles) {
		return nil
	}
	columns := []metaColumn{{"*" + eventColumn, txt}, {"*" + instanceColumn, num}, {"*" + fileFieldColumn, txt}, {fileNameColumn, txt}}
	if o.pullsContents() {
		columns = append(columns, contentColumns()...)
	}
	t := metaTableOf("redcap_file", "Files of file upload and signature fields, one row for each that is there", columns...)
	id := m.leadColumns()[0]
	names := make([]string, 0, len(t.Columns)+1)
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	id.Name = extract.PostgresNames(append(names, m.idField))[len(names)]
	t.Columns = append([]extract.Column{id}, t.Columns...)
	t.Columns[4].Comment = "Name of the file; " + oldFileName + " where the server does not tell it"
	f := &fileTables{file: t}
	if o.pullsContents() {
		f.content = contentTable()
	}
	return f
}

// fileColumn is where a form's file field stands among its parts.
type fileColumn struct {
	part, column int
	c            *column
}

// fileColumns finds the file fields of each form that is read; nil where files are not pulled.
func (m *model) fileColumns() map[*form][]fileColumn {
	if m.files == nil {
		return nil
	}
	found := map[*form][]fileColumn{}
	for _, f := range m.forms {
		for i, p := range f.parts {
			for j, c := range p.columns {
				if c.role == roleField && c.field.kind() == "file" && !f.unread {
					found[f] = append(found[f], fileColumn{i, j, c})
				}
			}
		}
	}
	return found
}

// unseenFiles are the file fields of the dictionary that this reading does not show: rights take them out, or the job does
// not ask for them. What is stored of them stays. Fields that are emptied on purpose are not among them.
func (m *model) unseenFiles() map[string]bool {
	if m.files == nil {
		return nil
	}
	unseen := map[string]bool{}
	for i := range m.fields {
		if m.fields[i].kind() == "file" {
			unseen[m.fields[i].name()] = true
		}
	}
	for _, f := range m.forms {
		for _, p := range f.parts {
			for _, c := range p.columns {
				if c.role == roleField && !f.unread {
					delete(unseen, c.field.name())
				}
			}
		}
	}
	return unseen
}

// seenFile is a file field of a row of the export; without a name where it is known to be empty.
type seenFile struct {
	key  fileKey
	name string
}

type fileKey struct{ id, event, instance, field string }

// noteFiles keeps the files that a row of a form shows; also those that it does not, where an earlier row of the same
// identity may have shown some.
func (d *decoder) noteFiles(f *filling, fl *formLayout, r int, id string, event, instance []byte, twice bool) {
	for _, fc := range d.files[fl.form] {
		at := fl.parts[fc.part][fc.column]
		if at < 0 {
			continue
		}
		value := d.sheet.cell(r, at)
		if d.isMissing(fc.c, value) {
			value = nil
		}
		if len(value) > 0 || twice {
			key := fileKey{id, string(event), string(instance), fc.c.field.name()}
			f.files = append(f.files, seenFile{key, string(value)})
		}
	}
}

// filesAtOnce bounds the files of a batch whose contents are pulled, each a request of its own.
const filesAtOnce = 200

// fillFiles turns the files that the batch's records show into rows, and reads the contents that are new.
func (r *reader) fillFiles(ctx context.Context) error {
	ft, f := r.m.files, r.fill
	if ft == nil || len(f.keys) == 0 {
		return nil
	}
	unseen := r.m.unseenFiles()
	latest := make(map[fileKey]int, len(f.files))
	for i, file := range f.files {
		latest[file.key] = i
	}
	stored := map[fileKey]storedFile{}
	if len(unseen) > 0 || ft.content != nil && len(f.files) > 0 {
		var err error
		if stored, err = r.storedFiles(ctx); err != nil {
			return err
		}
	}
	for i, file := range f.files {
		if latest[file.key] != i || file.name == "" {
			continue
		}
		row := storedFile{name: file.name}
		if ft.content != nil {
			var err error
			if row, err = r.fileFacts(ctx, file, stored); err != nil {
				return err
			}
		}
		f.fileRow(ft, file.key, row)
	}
	own := make(map[string]bool, len(f.keys))
	for _, key := range f.keys {
		own[key[0]] = true
	}
	for _, key := range sortedKeys(stored) {
		if unseen[key.field] && own[key.id] {
			f.fileRow(ft, key, stored[key])
		}
	}
	return nil
}

// fileRow appends a row of redcap_file.
func (f *filling) fileRow(ft *fileTables, key fileKey, file storedFile) {
	rows := f.rows[ft.file].rows
	rows.Begin()
	for _, part := range []string{key.id, key.event, key.instance, key.field} {
		rows.String(part)
	}
	switch {
	case file.name == "":
		rows.Null()
	case !storable([]byte(file.name)):
		rows.Null()
		rows.Note(extract.NonConforming, fileNameColumn, kept([]byte(file.name)))
	default:
		rows.String(file.name)
	}
	if ft.content != nil {
		cells := file.facts.cells()
		for i, c := range ft.file.Columns[len(ft.file.Columns)-len(cells):] {
			appendMeta(rows, c, cells[i])
		}
	}
	rows.End()
}

// storedFile is what the warehouse holds of a file.
type storedFile struct {
	name  string
	facts fileFacts
}

// storedFiles asks what is stored of the batch's records, and of those that may have come back under another name.
func (r *reader) storedFiles(ctx context.Context) (map[fileKey]storedFile, error) {
	stored := map[fileKey]storedFile{}
	if r.s.stored == nil {
		return stored, nil
	}
	if err := r.hand.Settled(); err != nil { // what is stored is asked next
		return nil, err
	}
	t := r.m.files.file
	ids := slices.Clone(r.fill.ids)
	if r.moved != nil {
		ids = append(ids, r.moved.from...)
	}
	columns := make([]string, 0, len(t.Columns))
	for _, c := range t.Columns {
		columns = append(columns, c.Name)
	}
	err := r.s.stored.Cells(ctx, t, ids, columns, func(cells []string) error {
		file := storedFile{name: cells[4]}
		if r.m.files.content != nil {
			file.facts = factsOf(cells[5:])
		}
		stored[fileKey{cells[0], cells[1], cells[2], cells[3]}] = file
		return nil
	})
	return stored, err
}

// fileFacts tells what is known of a file's content: as it is stored, or as it is read now.
func (r *reader) fileFacts(ctx context.Context, file seenFile, stored map[fileKey]storedFile) (storedFile, error) {
	n := r.s.news()
	before, ok := stored[file.key]
	same := ok && (before.name == file.name || file.name == oldFileName)
	if same && before.facts.settled(n.all) && !r.replaced(file.key.id, before.facts, n) {
		return before, nil
	}
	facts, name, err := r.s.content.fetch(ctx, r.s, r.hand, r.fileQuestion(file.key), &r.download)
	if err != nil {
		return storedFile{}, err
	}
	if n := len(logMinute); same && facts.sha != "" && facts.sha == before.facts.sha && facts.readAt[:n] == before.facts.readAt[:n] {
		return before, nil // the log would not tell the two readings apart, so nothing is new
	}
	now := storedFile{name: file.name, facts: facts}
	if file.name == oldFileName && name != "" {
		now.name = name
	}
	if other, ok := r.formerly(file, facts, stored); ok {
		return other, nil
	}
	return now, nil
}

// formerly finds a file of a record that is gone, if it is this one: then the record may have been renamed, and its rows are
// to be the same but for the record's name.
func (r *reader) formerly(file seenFile, facts fileFacts, stored map[fileKey]storedFile) (storedFile, bool) {
	if r.moved == nil || facts.sha == "" || !r.moved.to.Has(file.key.id) {
		return storedFile{}, false
	}
	for _, id := range r.moved.from {
		key := file.key
		key.id = id
		if other, ok := stored[key]; ok && other.name == file.name && other.facts.sha == facts.sha {
			return other, true
		}
	}
	return storedFile{}, false
}

// replaced reports whether a file may be another one under the same name. The log tells when a file was put, which counts
// from the minute on in which it was read. Without the log a record that is read again for some change may have another
// file; it is looked at once more after half of the time over which the same changes are read again.
func (r *reader) replaced(id string, facts fileFacts, n news) bool {
	read, err := time.Parse(readAtLayout, facts.readAt)
	switch {
	case err != nil:
		return true
	case n.uploads != nil:
		at := n.uploads(id)
		return at != "" && at >= earliest(read, r.s.cfg.Zone).Format(logMinute)
	case n.all || r.m.partial:
		return false
	}
	return r.s.serverTime(r.s.cfg.Now()).Sub(read) > r.s.reread()/2
}

// fileQuestion asks for a record's file. The repeating instrument is not named: it follows from the field.
func (r *reader) fileQuestion(key fileKey) question {
	return question{
		what: "export file", resource: "file, one", content: "file",
		extra: func(b *params) {
			b.add("action", "export")
			b.add("record", key.id)
			b.add("field", key.field)
			if key.event != "" {
				b.add("event", key.event)
			}
			if key.instance != "1" {
				b.add("repeat_instance", key.instance)
			}
		},
	}
}

func sortedKeys(stored map[fileKey]storedFile) []fileKey {
	keys := make([]fileKey, 0, len(stored))
	for key := range stored {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b fileKey) int {
		return bytes.Compare([]byte(extract.JoinKey(a.id, a.event, a.instance, a.field)), []byte(extract.JoinKey(b.id, b.event, b.instance, b.field)))
	})
	return keys
}
