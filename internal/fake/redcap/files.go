package redcap

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
)

// doc is one stored file: of a file field, or of the file repository.
type doc struct {
	id      int
	name    string
	content []byte
}

// AddFile uploads a file into a file field and saves the form: the field shows its name, and the log has an upload
// row and an update row. A file that is there already is replaced.
func (p *Project) AddFile(record string, at Place, field, name string, content []byte) error {
	id, err := p.upload(record, at, field, name, content)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logFile(kindEdit, "Update record ", record, at, field, strconv.Itoa(id))
	return nil
}

// ReplaceFile uploads another file into a field whose form nobody saves afterwards: the log has the upload row only,
// which the date range does not see. Under the same name no export shows the difference.
func (p *Project) ReplaceFile(record string, at Place, field, name string, content []byte) error {
	_, err := p.upload(record, at, field, name, content)
	return err
}

// RemoveFile deletes a field's file.
func (p *Project) RemoveFile(record string, at Place, field string) error {
	if _, err := p.upload(record, at, field, "", nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logFile(kindEdit, "Update record ", record, at, field, "")
	return nil
}

// upload stores a file, or none, and writes the row of that.
func (p *Project) upload(record string, at Place, field, name string, content []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, rec := p.field(field), p.store.get(record)
	if f == nil || f.Type != "file" || rec == nil {
		return 0, fmt.Errorf("upload to field %s of record %s: no such field or record", field, record)
	}
	rec = p.editable(rec)
	r, err := p.place(rec, at, true)
	if err != nil {
		return 0, fmt.Errorf("upload to field %s of record %s: %w", field, record, err)
	}
	if name == "" {
		delete(r.values, f.key)
		delete(r.values, f.key+docMark)
		p.store.put(rec)
		p.logFile(kindEdit, "Deleted Document ", record, at, field, "")
		return 0, nil
	}
	d := p.keep(name, content)
	r.values[f.key], r.values[f.key+docMark] = name, strconv.Itoa(d.id)
	if form := p.form(f.Form); form != nil && r.values[form.key+"_complete"] == "" {
		r.values[form.key+"_complete"] = "0"
	}
	p.store.put(rec)
	p.logFile(kindEdit, "Uploaded Document ", record, at, field, strconv.Itoa(d.id))
	return d.id, nil
}

// keep stores a file under a new document id.
func (p *Project) keep(name string, content []byte) *doc {
	d := doc{id: 6651 + len(p.docs), name: name, content: slices.Clone(content)}
	p.docs = append(p.docs, d)
	return &p.docs[len(p.docs)-1]
}

func (p *Project) doc(id string) *doc {
	n, err := strconv.Atoi(id)
	if n -= 6651; err != nil || n < 0 || n >= len(p.docs) {
		return nil
	}
	return &p.docs[n]
}

func (p *Project) logFile(kind, action, record string, at Place, field, id string) {
	group := 0
	if rec := p.store.get(record); rec != nil {
		group = rec.dag
	}
	p.writeLog(logRow{
		kind: kind, action: action + record, details: at.instance() + fmt.Sprintf("%s = '%s'", field, id), record: record, dag: group,
	})
}

// serveFile answers content=file. The repeating instrument is not a parameter: it follows from the field.
func (c *call) serveFile() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if c.param("action") != "export" {
		c.refuse("action", []string{c.param("action")})
		return
	}
	f := p.field(c.param("field"))
	if f == nil || f.Type != "file" {
		c.fail(http.StatusBadRequest, fmt.Sprintf("The field '%s' does not exist or is not a 'file' field", c.param("field")))
		return
	}
	if !c.mayDownload(f) {
		return
	}
	id := c.param("record")
	rec := p.store.get(id)
	if bound := p.dagByUnique(c.user.DAG); rec == nil || bound != nil && rec.dag != bound.ID {
		c.fail(http.StatusBadRequest, fmt.Sprintf("The record %q does not exist", id))
		return
	}
	e := p.events[0]
	if p.info.Longitudinal {
		if e = p.event(c.param("event")); e == nil {
			c.refuse("event", []string{c.param("event")})
			return
		}
	}
	d := p.fileAt(p.settled(rec, p.homes()), e, f, c.param("repeat_instance"))
	if d == nil {
		c.fail(http.StatusBadRequest, "There is no file to download for this record")
		return
	}
	c.download(d)
}

// mayDownload refuses files of instruments that the user may not export, and identifying ones to who sees none.
func (c *call) mayDownload(f *Field) bool {
	switch right := c.user.right(f.Form); {
	case right == ExportNone:
		c.fail(http.StatusBadRequest, "You do not have permission to export the instrument of the field '"+f.Name+"'")
	case right != ExportFull && f.Identifier == "y":
		c.fail(http.StatusBadRequest, "The file cannot be exported because the field '"+f.Name+"' is an identifier and your data export rights do not include identifiers")
	default:
		return true
	}
	return false
}

// fileAt is the file of a field at a place. Of a recorded or generated file only the name is known: its bytes are made
// up from that.
func (p *Project) fileAt(rec *record, e *Event, f *Field, repeat string) *doc {
	form := p.form(f.Form)
	if form == nil || !p.has(e, form) {
		return nil
	}
	n, _ := strconv.Atoi(repeat)
	key, instance := e.home(form.key, &row{event: e.ID, instance: max(1, n)})
	r := rec.find(e.ID, key, instance, false)
	if r == nil || !p.fits(e, r) || r.values[f.key] == "" {
		return nil
	}
	if d := p.doc(r.values[f.key+docMark]); d != nil && d.name == r.values[f.key] {
		return d
	}
	name := r.values[f.key]
	content := "contents of " + name + "\n"
	if path.Ext(name) == ".png" {
		content = "\x89PNG\r\n\x1a\n" + content
	}
	return &doc{name: name, content: []byte(content)}
}

// download answers a file, with its name as the server is told to write it.
func (c *call) download(d *doc) {
	kind := mimeOf(path.Ext(d.name))
	h := c.w.Header()
	switch c.s.o.FileNames {
	case NameQuoted:
		kind += `; name="` + d.name + `"`
	case NameWithCharset:
		kind += `; name="` + d.name + `";charset=UTF-8`
	case NameSingle:
		kind += `; name='` + d.name + `'`
	case NameBare:
		kind += "; name=" + d.name
	case NameDisposition:
		kind += `; name="` + d.name + `"`
		h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}
	h.Set("Content-Type", kind)
	c.w.Write(d.content)
}

// mimeOf is the type of a file by its name's extension; a fixed list, so that it is the same on every machine.
func mimeOf(extension string) string {
	switch extension {
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".png":
		return "image/png"
	case ".pdf":
		return "application/pdf"
	case ".txt":
		return "text/plain"
	case ".csv":
		return "text/csv"
	}
	return "application/octet-stream"
}

// Digest is the SHA-256 of a field's file at a place, for a test to compare with what was stored; false if there is no
// file.
func (p *Project) Digest(record string, at Place, field string) ([sha256.Size]byte, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	f, e, rec := p.field(field), p.eventAt(at), p.store.get(record)
	if f == nil || e == nil || rec == nil {
		return [sha256.Size]byte{}, false
	}
	d := p.fileAt(p.settled(rec, p.homes()), e, f, strconv.Itoa(at.Instance))
	if d == nil {
		return [sha256.Size]byte{}, false
	}
	return sha256.Sum256(d.content), true
}
