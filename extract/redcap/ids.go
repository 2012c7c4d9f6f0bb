package redcap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
	"syncd/extract/upstream"
)

// idBytes bounds the list of ids: three million of them, each in several events.
const idBytes = 4 << 30

// keyBytes is the longest key that the warehouse takes.
const keyBytes = 2_000

// idList is the records that the server lists, each once.
type idList struct {
	ids     *extract.KeySet
	groups  *extract.KeySet  // each id joined with its data access group; nil where they were not asked for
	strange bool             // groups were asked for and did not come
	refused map[string]int   // by reason
	out     *extract.KeySet  // the refused ones that are text
	rejects []extract.Reject // the refused ones that are not
	blocked map[string]bool  // ids that were looked up among those that were purged; nil where none was
	at      time.Time        // server's clock when it was asked for
	rows    rowCounts
}

// Reasons why an id that is listed is not read.
const (
	refusedText   = "record id is not valid text"
	refusedLong   = "record id over 2,000 bytes"
	refusedTwin   = "record id differs from another in case only"
	refusedFilter = "outside records_where"
)

// listIDs asks for every record id. JSON, because an empty list is unmistakable there (reference 2.4).
func (s *Source) listIDs(ctx context.Context, o listing) (*idList, error) {
	l := &idList{at: s.serverTime(s.cfg.Now())}
	err := s.streamIDs(ctx, s.model.snapshot, o, func() {
		l.ids, l.out, l.groups, l.strange = new(extract.KeySet), new(extract.KeySet), nil, false
		l.refused, l.rejects, l.rows, l.blocked = map[string]int{}, nil, rowCounts{all: s.model.longitudinal}, nil
		if o.groups {
			l.groups = new(extract.KeySet)
		}
	}, func(row *idRow) bool {
		fresh := s.addID(l, row.id)
		if o.groups {
			l.strange = l.strange || !row.grouped
			if fresh && storable(row.group) {
				l.groups.Add(extract.JoinKey(string(row.id), string(row.group)))
			}
		}
		if row.base {
			l.rows.add(row.id)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	l.rows.done()
	if l.groups != nil {
		l.groups.Sort()
	}
	l.dropTwins()
	l.ids.Sort()
	l.out.Sort()
	return l, nil
}

// addID adds the id of a row unless it is that of the row before, and says whether it did.
func (s *Source) addID(l *idList, raw []byte) bool {
	if n := l.ids.Len(); n > 0 && l.ids.At(n-1) == string(raw) {
		return false // the next event or instance of the same record
	}
	if !s.usable(l, raw) {
		return false
	}
	l.ids.Add(string(raw))
	return true
}

// usable reports whether an id can be a key; one that cannot is kept as a reject.
func (s *Source) usable(l *idList, raw []byte) bool {
	switch {
	case len(raw) == 0:
	case !storable(raw):
		l.refused[refusedText]++
		l.rejects = append(l.rejects, extract.Reject{
			Table: s.model.record, Column: s.model.record.Columns[0].Name, Rule: refusedText, Raw: bytes.Clone(raw),
		})
	case len(raw) > keyBytes:
		l.refused[refusedLong]++
		l.rejects = append(l.rejects, extract.Reject{
			Table: s.model.record, Column: s.model.record.Columns[0].Name, Rule: refusedLong, Raw: bytes.Clone(raw),
		})
	case s.blocked.Any() && l.purged(s.blocked, string(raw)):
	default:
		return true
	}
	return false
}

// purged reports whether an id is that of a person who was purged. Of one that is each row of the list comes here, and it counts once.
func (l *idList) purged(list *extract.Blocked, id string) bool {
	if l.blocked[id] {
		return true
	}
	if !list.Has(extract.PersonRecord, id) {
		return false
	}
	if l.blocked == nil {
		l.blocked = map[string]bool{}
	}
	l.blocked[id] = true
	l.refused[extract.ReasonBlocked]++
	l.out.Add(id)
	return true
}

// firstID returns one id of the project, and nothing where it has none.
func (s *Source) firstID(ctx context.Context, p *snapshot) (string, error) {
	found := ""
	err := s.streamIDs(ctx, p, listing{}, func() { found = "" }, func(row *idRow) bool {
		found = string(row.id)
		return !storable(row.id)
	})
	return found, err
}

// errEnough ends a stream that has told what was asked.
var errEnough = errors.New("enough was read")

// listing says which ids are listed.
type listing struct {
	where  string // REDCap logic
	since  string // on the server's clock: only records with a change after it, by the project's log
	until  string // and before it
	groups bool   // with the data access group of each
}

// streamIDs calls yield with every row of the list, until it returns false. reset is called before each attempt.
func (s *Source) streamIDs(ctx context.Context, p *snapshot, o listing, reset func(), yield func(row *idRow) bool) error {
	q := question{
		what: "list record ids", resource: "record, ids only", content: "record", maxBody: idBytes,
	}
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	var body params
	body.add("token", token)
	for _, kv := range [][2]string{{"content", "record"}, {"format", "json"}, {"returnFormat", "json"}, {"type", "flat"}, {"fields[0]", p.idField}} {
		body.add(kv[0], kv[1])
	}
	if o.where != "" {
		body.add("filterLogic", o.where)
	}
	if o.since != "" { // never together with records: servers then answer every record (reference 8.1)
		body.add("dateRangeBegin", o.since)
	}
	if o.until != "" {
		body.add("dateRangeEnd", o.until)
	}
	if o.groups {
		body.add("exportDataAccessGroups", "true")
	}
	request := upstream.Request{Resource: q.resource, Body: body.text, MaxBody: q.maxBody}
	err = s.cfg.Client.Do(ctx, request, func(r *upstream.Response) error {
		reset()
		return readIDs(r.Body, p.idField, yield)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	if err != nil {
		return s.explain(q, err)
	}
	return nil
}

// readIDs reads a JSON list of rows as it comes in.
func readIDs(r io.Reader, idField string, yield func(row *idRow) bool) error {
	body := &headed{from: r}
	head, err := body.head()
	if err != nil {
		return err
	}
	checked, fault := checkBody(head)
	if fault != nil {
		return retryBlank(fault)
	}
	dec := newJSON(body.rest(checked))
	fail := func(err error) error { return errorText(checked, fmt.Errorf("%w: %w", errWrongAnswer, err)) }
	if dec.PeekKind() == '{' {
		return fail(errNotList)
	}
	if err := expect(dec, '['); err != nil {
		return fail(err)
	}
	row := idRow{field: idField}
	for dec.PeekKind() == '{' {
		if err := row.read(dec); err != nil {
			return fail(err)
		}
		if !yield(&row) {
			return errEnough
		}
	}
	if err := expect(dec, ']'); err != nil {
		return fail(err)
	}
	if err := atEnd(dec); err != nil {
		return fail(err)
	}
	return nil
}

// retryBlank lets an empty answer, which a busy server gives with status 200, be asked for again.
func retryBlank(e *extract.Error) error {
	if errors.Is(e.Cause, errBlank) {
		return upstream.Retry(e)
	}
	return e
}

// idRow is one row of the list: its record id, as bytes, whether it is not one of a repeating instrument,
// and, where they were asked for, the record's data access group.
type idRow struct {
	field   string
	id      []byte
	group   []byte
	base    bool
	grouped bool // the row has the group's column
}

// read reads the next row.
func (o *idRow) read(dec *jsontext.Decoder) error {
	if err := expect(dec, '{'); err != nil {
		return err
	}
	found := false
	o.base, o.grouped, o.group = true, false, o.group[:0]
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return jsonError(err)
		}
		isID := !found && string(name[1:len(name)-1]) == o.field
		isRepeat := string(name[1:len(name)-1]) == instrumentColumn
		isGroup := string(name[1:len(name)-1]) == groupColumnName
		value, err := dec.ReadValue()
		if err != nil {
			return jsonError(err)
		}
		switch {
		case isGroup:
			o.grouped, o.group = true, appendPlain(o.group, value)
		case isRepeat:
			o.base = len(value) <= len(`""`)
		case isID:
			found, o.id = true, appendPlain(o.id[:0], value)
		}
	}
	if !found {
		return errors.New("a row without record id")
	}
	return expect(dec, '}')
}

// appendPlain appends the bytes that a JSON value stands for.
func appendPlain(dst []byte, value jsontext.Value) []byte {
	switch {
	case value.Kind() != '"':
		return append(dst, value...)
	case bytes.IndexByte(value, '\\') < 0:
		return append(dst, value[1:len(value)-1]...)
	}
	return appendUnescaped(dst, value)
}

// appendUnescaped undoes the escapes of a JSON string and leaves bytes that are not UTF-8 as they are, so that
// they are found out instead of replaced.
func appendUnescaped(dst []byte, value jsontext.Value) []byte {
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil && !storable(value) {
		return append(dst, value...)
	}
	return append(dst, text...)
}
