package config

import (
	"bytes"
	"errors"
	"regexp"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	maxBytes = 1 << 20 // of one file; a job takes about 200 bytes
	maxDepth = 8       // of tables and lists inside each other; the deepest key lies at 4
	maxFlaws = 50      // of syntax in one file, after which the rest is not read
)

// statement is how a line begins that is not in the middle of a list: a header, or a key and its equals sign.
var statement = regexp.MustCompile(`^[ \t]*(\[\[?[ \t]*[A-Za-z"'][^\]=,]*\]\]?[ \t\r\n]*(#|$)|[A-Za-z0-9_."'-]+[ \t]*=)`)

// reader makes the tree of one file and keeps what is wrong with it.
type reader struct {
	file     string
	data     []byte
	lines    []int // offset of each line's first byte
	problems Problems
	tree
	current *node // the table of the last header; nil while the section of a bad header is passed over
}

// tree is what was read of one file.
type tree struct {
	root *node // nil where the file could not be read at all
	lost bool  // a header could not be read: its whole section is missing
}

// parse reads one file into a tree with positions. It goes on after a mistake, so that all are found at once.
func parse(file string, data []byte) (tree, Problems) {
	top := place{file, 1, 1}
	if reason := unreadable(data); reason != "" {
		return tree{}, Problems{top.problem("", "", "%s", reason)}
	}
	r := &reader{file: file, data: data, lines: []int{0}, tree: tree{root: &node{at: top, val: top}}}
	r.current = r.root
	for i, c := range data {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	r.read()
	if len(r.problems) == 0 {
		r.confirm()
	}
	return r.tree, r.problems
}

// unreadable names what makes a file no TOML at all.
func unreadable(data []byte) string {
	switch {
	case len(data) > maxBytes:
		return "the file is larger than " + strconv.Itoa(maxBytes>>20) + " MiB, which no configuration is: split it with include"
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "the file begins with a byte-order mark: save it as UTF-8 without one"
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return "the file is UTF-16 or holds NUL bytes: save it as UTF-8"
	}
	return ""
}

func (r *reader) read() {
	start := 0
	for range maxFlaws {
		var p unstable.Parser
		p.Reset(r.data[start:])
		good := start // end of what was understood
		for p.NextExpression() {
			good = start + r.take(p.Expression(), start)
		}
		if p.Error() == nil {
			return
		}
		start = r.skip(p.Error(), start, good)
	}
	r.problems = append(r.problems, r.place(start).problem("", "", "too many mistakes: the rest of the file was not read"))
}

// confirm has the whole file read once more by the strict decoder, which knows rules that the tree does not.
func (r *reader) confirm() {
	var all map[string]any
	err := toml.Unmarshal(r.data, &all)
	if err == nil {
		return
	}
	at := place{r.file, 1, 1}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		at.line, at.column = decode.Position()
	}
	r.problems = append(r.problems, at.problem("", "", "not TOML: a key or table is defined twice, or a value is out of range"))
}

// skip records a mistake of syntax and returns where to read on.
func (r *reader) skip(err error, start, good int) int {
	at, reason := good, "cannot be read"
	var perr *unstable.ParserError
	if errors.As(err, &perr) {
		at, reason = start+cap(r.data[start:])-cap(perr.Highlight), perr.Message
	}
	first := min(r.nextStatement(good), at)
	switch {
	case first < len(r.data) && r.data[first] == '[':
		r.current, r.lost = nil, true
	case r.current != nil:
		r.current.flawed = true
	}
	switch over := r.lineOf(at) > r.lineOf(first); {
	case over && (at >= len(r.data)-1 || r.begins(r.lineOf(at))):
		r.flaw(first, "what begins here is not closed")
	default:
		r.flaw(at, reason)
	}
	line := r.lineOf(first)
	if r.lineOf(at) == line {
		return r.lineStart(line + 1)
	}
	for line++; line < len(r.lines) && !r.begins(line); line++ {
	}
	return r.lineStart(line)
}

// begins says that a line looks like the beginning of a statement.
func (r *reader) begins(line int) bool {
	return statement.Match(r.data[r.lines[line]:r.lineStart(line+1)])
}

// nextStatement returns the offset of the first statement on a line after the one of an offset (or on that line, where
// the offset is its beginning), comments and empty lines passed over.
func (r *reader) nextStatement(from int) int {
	line := r.lineOf(from)
	if from > r.lines[line] {
		line++
	}
	for ; line < len(r.lines); line++ {
		text := r.data[r.lines[line]:r.lineStart(line+1)]
		if body := bytes.TrimLeft(text, " \t\r\n"); len(body) > 0 && body[0] != '#' {
			return r.lines[line] + len(text) - len(body)
		}
	}
	return len(r.data)
}

func (r *reader) flaw(offset int, reason string) {
	r.problems = append(r.problems, r.place(offset).problem("", "", "not TOML: %s", reason))
}

// lineOf returns the index of the line that holds an offset.
func (r *reader) lineOf(offset int) int {
	return sort.SearchInts(r.lines, offset+1) - 1
}

// lineStart returns the offset of a line, the file's end for the one after the last.
func (r *reader) lineStart(line int) int {
	if line >= len(r.lines) {
		return len(r.data)
	}
	return r.lines[line]
}

func (r *reader) place(offset int) place {
	offset = min(max(offset, 0), len(r.data))
	line := r.lineOf(offset)
	return place{r.file, line + 1, utf8.RuneCount(r.data[r.lines[line]:offset]) + 1}
}

// take puts one statement into the tree and returns where it ends, counted from base.
func (r *reader) take(e *unstable.Node, base int) int {
	if e.Kind == unstable.KeyValue {
		if r.current != nil {
			r.keyValue(r.current, e, base, 1)
		}
		return int(e.Raw.Offset + e.Raw.Length)
	}
	end := 0
	var keys []*unstable.Node
	for it := e.Key(); it.Next(); {
		keys = append(keys, it.Node())
		end = int(it.Node().Raw.Offset + it.Node().Raw.Length)
	}
	r.header(keys, e.Kind == unstable.ArrayTable, base)
	return end
}

func (r *reader) header(keys []*unstable.Node, array bool, base int) {
	r.current = nil
	t := r.root
	if len(keys) > maxDepth {
		r.flaw(base+int(keys[0].Raw.Offset), "tables are nested too deep")
		return
	}
	for i, k := range keys {
		next := t.kid(string(k.Data))
		last := i == len(keys)-1
		switch {
		case next == nil:
			next = t.add(r.node(t, k, base))
			next.headed = last
			if last && array {
				next.kind = otherKind
			}
		case last && array && next.kind == otherKind:
		case next.kind != tableKind || next.inline || last && (next.headed || array):
			r.problems = append(r.problems, r.place(base+int(k.Raw.Offset)).problem(join(t.path, next.key), "", "is already at %s", next.at))
			return
		case last:
			next.headed, next.at = true, r.place(base+int(k.Raw.Offset))
		}
		t = next
	}
	if !array {
		r.current = t
	}
}

func (r *reader) keyValue(t *node, e *unstable.Node, base, depth int) {
	it := e.Key()
	for it.Next() {
		k := it.Node()
		next := t.kid(string(k.Data))
		switch {
		case depth > maxDepth:
			r.flaw(base+int(k.Raw.Offset), "tables and lists are nested too deep")
			return
		case next != nil && (it.IsLast() || next.kind != tableKind || next.inline):
			r.problems = append(r.problems, r.place(base+int(k.Raw.Offset)).problem(next.path, "", "is already at %s", next.at))
			return
		case next == nil:
			next = t.add(r.node(t, k, base))
		}
		t = next
		depth++
	}
	r.value(t, e.Value(), base, depth)
}

// node makes an empty table that is named by a key of the file.
func (r *reader) node(parent *node, k *unstable.Node, base int) *node {
	at := r.place(base + int(k.Raw.Offset))
	key := string(k.Data)
	return &node{key: key, path: join(parent.path, key), at: at, val: at}
}

// value fills a node with what stands behind its equals sign.
func (r *reader) value(n *node, v *unstable.Node, base, depth int) {
	if v.Raw.Length > 0 {
		n.val = r.place(base + int(v.Raw.Offset))
	}
	switch v.Kind {
	case unstable.String:
		n.kind, n.text = textKind, string(v.Data)
	case unstable.Bool:
		n.kind, n.text = boolKind, string(v.Data)
	case unstable.Integer:
		n.kind, n.text = numberKind, string(v.Data)
	case unstable.InlineTable:
		n.kind = tableKind
		for it := v.Children(); it.Next(); {
			r.keyValue(n, it.Node(), base, depth+1)
		}
		n.inline = true
	case unstable.Array:
		n.kind = listKind
		r.elements(n, v, base, depth+1)
	default:
		n.kind = otherKind
	}
}

func (r *reader) elements(n *node, v *unstable.Node, base, depth int) {
	if depth > maxDepth {
		r.problems = append(r.problems, n.wrong("not TOML: tables and lists are nested too deep"))
		return
	}
	for it := v.Children(); it.Next(); {
		e := n.add(&node{path: n.path, at: n.at, val: n.at})
		r.value(e, it.Node(), base, depth)
	}
}
