package redcap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
	"syncd/extract/upstream"
)

// Limits of contents. A file over fileBytes keeps its row, which says so, and has no content here: it is read in one piece and
// kept as text of twice the size while it is loaded.
const (
	fileBytes    = 32 << 20
	partOfFile   = 1 << 20
	partsAtOnce  = 6
	mostFailures = 3 // files in a row that the server could not answer: then the server is down, not the file
)

const readAtLayout = "2006-01-02 15:04:05-07"

// contentTable describes redcap_file_content: each content once, however many files have it, in parts.
func contentTable() *extract.Table {
	t := metaTableOf("redcap_file_content", "Contents of files, each once, in parts of at most 1 MiB that follow each other",
		metaColumn{"*sha256", txt}, metaColumn{"*part", num}, metaColumn{"content", extract.Bytea})
	t.Columns[0].Comment = "SHA-256 of the whole content, as redcap_file and redcap_file_repository name it"
	t.Columns[1].Comment = "Place of the part, from 1"
	return t
}

// contentColumns are what a file's row says of its content.
func contentColumns() []metaColumn {
	return []metaColumn{{"sha256", txt}, {"bytes", extract.Bigint}, {"content_type", txt}, {"read_at", extract.Timestamptz}, {"content_problem", txt}}
}

func factNames() []string {
	var names []string
	for _, c := range contentColumns() {
		names = append(names, c.name)
	}
	return names
}

// fileFacts are the cells of contentColumns: what was read of a file, when, and why there is no content where there is none.
type fileFacts struct{ sha, bytes, kind, readAt, problem string }

func factsOf(cells []string) fileFacts {
	return fileFacts{cells[0], cells[1], cells[2], cells[3], cells[4]}
}

func (f fileFacts) cells() []string { return []string{f.sha, f.bytes, f.kind, f.readAt, f.problem} }

// settled reports whether a file need not be asked for again as far as its own row tells. What could not be read is tried
// again where everything is looked at, and what the server failed at each time.
func (f fileFacts) settled(all bool) bool {
	return f.sha != "" || f.problem != "" && !all && f.problem != problemServer
}

// Reasons why a file has no content here.
const (
	problemLarge   = "larger than 32 MiB"
	problemRefused = "the server refused: no such file, or no right to it"
	problemServer  = "the server could not answer"
)

// contents downloads files and keeps count of those that could not be.
type contents struct {
	table    *extract.Table
	given    map[string]bool // by sha256, handed on in this run or known to be stored
	problems map[string]int
	failures int // in a row
}

func newContents(t *extract.Table) *contents {
	return &contents{table: t, given: map[string]bool{}, problems: map[string]int{}}
}

// fetch reads one file, hands its content on unless that is stored, and returns what its row is to say, with the name by which
// the server sent it. That a single file cannot be had is no error.
func (c *contents) fetch(ctx context.Context, s *Source, hand *extract.Handoff, q question, buf *bytes.Buffer) (fileFacts, string, error) {
	at := s.serverTime(s.cfg.Now())
	header, err := s.download(ctx, q, buf)
	problem := ""
	switch kind := extract.KindOf(err); {
	case err == nil:
		c.failures = 0
	case ctx.Err() != nil, errors.Is(err, upstream.ErrDown):
		return fileFacts{}, "", err
	case kind == extract.KindTooLarge:
		problem = problemLarge
	case refused(err):
		problem = problemRefused
	case kind == extract.KindTransient, kind == extract.KindGarbled:
		if c.failures++; c.failures > mostFailures {
			return fileFacts{}, "", err
		}
		problem = problemServer
	default:
		return fileFacts{}, "", err
	}
	facts := fileFacts{readAt: at.Format(readAtLayout)}
	if problem != "" {
		c.problems[problem]++
		facts.problem = problem
		return facts, "", nil
	}
	body := buf.Bytes()
	sum := sha256.Sum256(body)
	facts.sha, facts.bytes = hex.EncodeToString(sum[:]), strconv.Itoa(len(body))
	kind, name := describeFile(header)
	facts.kind = kind
	return facts, name, c.keep(ctx, s, hand, facts.sha, body)
}

// download reads a file whole. A file may be a web page or hold words like those of an error; one of those that comes with
// status 200 is told by the header, which names no file.
func (s *Source) download(ctx context.Context, q question, buf *bytes.Buffer) (http.Header, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	var body params
	for _, kv := range [][2]string{{"token", token}, {"content", q.content}, {"returnFormat", "json"}} {
		body.add(kv[0], kv[1])
	}
	q.extra(&body)
	var header http.Header
	err = s.cfg.Client.Do(ctx, upstream.Request{Resource: q.resource, Body: body.text, MaxBody: fileBytes}, func(r *upstream.Response) error {
		buf.Reset()
		if _, err := buf.ReadFrom(r.Body); err != nil {
			return err
		}
		header = r.Header
		if _, name := describeFile(header); name != "" {
			return nil
		}
		if _, fault := checkBody(buf.Bytes()); fault != nil {
			return retryBlank(fault)
		}
		return nil
	})
	if err != nil {
		return nil, s.explain(q, err)
	}
	return header, nil
}

// keep hands a content on in parts, unless it is stored.
func (c *contents) keep(ctx context.Context, s *Source, hand *extract.Handoff, sha string, body []byte) error {
	if c.given[sha] {
		return nil
	}
	parts := max(1, (len(body)+partOfFile-1)/partOfFile)
	if s.stored != nil {
		have := 0
		if err := hand.Settled(); err != nil {
			return err
		}
		err := s.stored.Cells(ctx, c.table, []string{sha}, nil, func([]string) error { have++; return nil })
		if err != nil || have == parts {
			c.given[sha] = err == nil
			return err
		}
	}
	for from := 0; from < parts; from += partsAtOnce {
		rows := extract.NewRows(c.table)
		for part := from; part < min(parts, from+partsAtOnce); part++ {
			piece := body[part*partOfFile : min(len(body), (part+1)*partOfFile)]
			rows.Begin()
			rows.String(sha)
			rows.String(strconv.Itoa(part + 1))
			rows.Close(extract.AppendBytea(rows.Open(), piece))
			rows.End()
		}
		if err := hand.Give(&extract.Batch{Rows: []*extract.Rows{rows}}); err != nil {
			return err
		}
	}
	c.given[sha] = true
	return nil
}

// describeFile reads type and name of a file from its header. Names are taken as servers write them: in double quotes, in
// single ones or in none, with anything in them, and with a charset behind (reference 3.5).
func describeFile(h http.Header) (kind, name string) {
	text := h.Get("Content-Type")
	kind, rest, _ := strings.Cut(text, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !storable([]byte(kind)) || len(kind) > 255 {
		kind = ""
	}
	name = parameter(rest, "name=")
	if name == "" {
		if _, p, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil {
			name = p["filename"]
		} else {
			name = parameter(h.Get("Content-Disposition"), "filename=")
		}
	}
	if !storable([]byte(name)) {
		name = ""
	}
	return kind, name
}

// parameter finds the value after a word. In quotes it goes on to the last quote of that kind, because a name may hold
// quotes and semicolons; without, to a semicolon that begins a charset.
func parameter(text, word string) string {
	at := strings.Index(strings.ToLower(text), word)
	if at < 0 {
		return ""
	}
	value := strings.TrimSpace(text[at+len(word):])
	if value == "" {
		return ""
	}
	if quote := value[0]; quote == '"' || quote == '\'' {
		if end := strings.LastIndexByte(value, quote); end > 0 {
			return value[1:end]
		}
		value = value[1:]
	}
	if end := strings.LastIndex(strings.ToLower(value), ";charset="); end >= 0 {
		value = value[:end]
	} else if end := strings.LastIndex(strings.ToLower(value), "; charset="); end >= 0 {
		value = value[:end]
	}
	return strings.TrimSpace(value)
}

// say tells how many files have no content, and why.
func (c *contents) say(s *Source) {
	for _, problem := range []string{problemLarge, problemRefused, problemServer} {
		if n := c.problems[problem]; n > 0 {
			s.said = append(s.said, fmt.Sprintf("%d files have no content: %s", n, problem))
		}
	}
}

// fileExtra declares the tables of files, and takes away contents that no file has any more. Names and contents of records'
// files are given with their records.
type fileExtra struct {
	t      *fileTables
	others []extra
}

func (x *fileExtra) describe(context.Context, *Source, *snapshot) error { return nil }

func (x *fileExtra) tables() []*extract.Table {
	if x.t.content == nil {
		return []*extract.Table{x.t.file}
	}
	return []*extract.Table{x.t.file, x.t.content}
}

func (x *fileExtra) give(ctx context.Context, s *Source, hand *extract.Handoff, n news) error {
	if x.t.content == nil {
		return nil
	}
	s.content.say(s)
	if !n.all { // the table is only ever added to, which is said once in a run that looks at everything
		return nil
	}
	if err := hand.Give(&extract.Batch{Rows: []*extract.Rows{extract.NewRows(x.t.content)}}); err != nil || s.stored == nil {
		return err
	}
	if err := hand.Settled(); err != nil {
		return err
	}
	gone, err := x.unused(ctx, s.stored)
	if err != nil || len(gone) == 0 {
		return err
	}
	return hand.Give(&extract.Batch{
		Scope: &extract.Scope{Tables: []*extract.Table{x.t.content}, Width: 1, Keys: gone, Reason: "no file has this content any more"},
	})
}

// unused finds the contents that no stored file has. What this run is still to hand on counts as used.
func (x *fileExtra) unused(ctx context.Context, stored extract.Stored) ([][]string, error) {
	used := new(extract.KeySet)
	tables := []*extract.Table{x.t.file}
	for _, other := range x.others {
		if r, ok := other.(*repository); ok {
			tables = append(tables, r.table)
		}
	}
	for _, t := range tables {
		err := stored.Cells(ctx, t, nil, []string{"sha256"}, func(cells []string) error {
			if cells[0] != "" {
				used.Add(cells[0])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	used.Sort()
	var gone [][]string
	err := stored.Keys(ctx, x.t.content, func(sha string) error {
		if !used.Has(sha) {
			gone = append(gone, []string{sha})
		}
		return nil
	})
	return slices.Clip(gone), err
}
