package redox

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// state is what one delivery says of one thing, as rows among the group's.
type state struct {
	of      *entity
	key     []string
	version string
	at      string
	deleted bool
	rows    []rowAt
}

type rowAt struct {
	table *table
	row   int
}

// encoder makes the rows of one state.
type encoder struct {
	m      *message
	s      *state
	counts map[string]int // ordinals given so far, by table, role and the key above
}

// cell is what a column gets.
type cell struct {
	node *node
	text string
}

// pending is a row of a further table that is made after the row above it.
type pending struct {
	table *table
	role  string
	root  *node
}

// walk is one object as it is read: the cells of its row, rows below it, and what nobody declared.
type walk struct {
	e      *encoder
	t      *table
	cells  []cell
	below  []pending
	extras []extra
}

// row appends a row of a table, and those that its object has below it.
func (e *encoder) row(t *table, key []string, root *node, values []also, taken []string, loose []extra) {
	w := &walk{e: e, t: t, cells: e.m.group.cells(len(t.columns)), extras: loose}
	switch at, ok := t.byName["text"]; {
	case root == nil:
	case root.kind == '{':
		w.object(t.fields, root, t.at)
	case ok: // a list of texts
		w.cells[at].node = root
	default:
		w.extras = append(w.extras, extra{t.at, root})
	}
	for _, a := range values {
		i, ok := t.byName[a.column]
		if !ok {
			panic("redox: no column " + a.column + " in " + t.live.Name)
		}
		w.cells[i] = cell{a.node, a.text}
	}
	for i, part := range key {
		w.cells[i] = cell{text: part}
	}
	e.append(w, taken)
	for _, p := range w.below {
		e.child(p.table, key, nil, p.role, p.root, nil)
	}
}

// child appends a row below another: with its own key, or with the next ordinal.
func (e *encoder) child(t *table, above, own []string, role string, root *node, values []also) {
	key := slices.Clone(above)
	if t.roles {
		key = append(key, role)
	}
	if own == nil {
		count := t.live.Name + "\x00" + extract.JoinKey(key...)
		e.counts[count]++
		own = []string{strconv.Itoa(e.counts[count])}
	}
	key = append(key, own...)
	if len(key) != t.keys {
		panic("redox: a key of " + t.live.Name + " has another number of columns")
	}
	if why := usable(key); why != "" {
		e.m.reject(e.s.of, why, root)
		return
	}
	e.row(t, key, root, values, nil, nil)
}

// object reads the members of an object.
func (w *walk) object(f *field, n *node, path string) {
	unknown := false
	for c := n.first; c != nil; c = c.next {
		switch known := f.members[c.name]; {
		case c.empty():
		case known == nil:
			unknown = true
		default:
			w.member(known, c, path)
		}
	}
	if unknown {
		w.extras = append(w.extras, strays(n, path, func(name string) bool { return f.members[name] != nil })...)
	}
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// strays are the members of an object that nobody declared: each by itself or, where they are many, all as one object.
func strays(n *node, path string, known func(name string) bool) []extra {
	var all []extra
	rest := n.only(func(c *node) bool { return !c.empty() && !known(c.name) })
	for c := rest.first; c != nil; c = c.next {
		if len(all) == extrasEach {
			return []extra{{under(path, "*"), rest}}
		}
		all = append(all, extra{under(path, c.name), c})
	}
	return all
}

// member reads a member that is known: into a cell, into cells of its own members, or as rows below.
func (w *walk) member(f *field, n *node, path string) {
	if f.taken {
		return
	}
	if f.column >= 0 {
		w.cells[f.column].node = n
		return
	}
	path = under(path, n.name)
	if f.table != "" {
		below := w.e.s.of.table(f.table)
		items := n.items()
		for _, item := range items {
			w.below = append(w.below, pending{below, f.role, item})
		}
		if len(items) == 0 {
			w.extras = append(w.extras, extra{path, n})
		}
	}
	switch {
	case f.members == nil:
	case n.kind == '{' && f.table != "":
		w.part(f, n)
	case n.kind == '{':
		w.object(f, n, path)
	case f.table == "":
		w.extras = append(w.extras, extra{path, n})
	}
}

// part reads some members of an object that is a row of its own elsewhere.
func (w *walk) part(f *field, n *node) {
	for c := n.first; c != nil; c = c.next {
		if known := f.members[c.name]; known != nil && known.column >= 0 && !c.empty() {
			w.cells[known.column].node = c
		}
	}
}

// append writes the row.
func (e *encoder) append(w *walk, taken []string) {
	g := e.m.group
	rows := g.rows(w.t)
	g.open = rows
	rows.Begin()
	for i := range w.t.columns {
		c := &w.t.columns[i]
		switch got := w.cells[i]; {
		case got.node != nil:
			c.put(rows, e.m.Body, got.node)
		case got.text != "" || c.key:
			c.put(rows, e.m.Body, textNode(c, got.text))
		default:
			c.put(rows, e.m.Body, nil)
		}
	}
	for _, name := range taken {
		rows.Note(extract.MissingCode, name, "taken back")
	}
	for _, x := range w.extras {
		rows.Note(extract.Extra, x.path, e.m.text(x.value))
	}
	rows.End()
	g.open = nil
	e.s.rows = append(e.s.rows, rowAt{w.t, rows.Len() - 1})
}

// textNode is a text that code gives to a column, as a node.
func textNode(c *column, text string) *node {
	if strings.IndexByte(text, 0) >= 0 {
		return &node{kind: '"', text: `\u0000`, unfit: true}
	}
	kind := jsontext.Kind('"')
	if c.form == asBool && text != "" {
		kind = jsontext.Kind(text[0]) // true or false
	}
	return &node{kind: kind, text: text}
}

// text is a value as it is kept in a note: as sent, without what is empty in it where that can be.
func (m *message) text(n *node) string {
	if n.leaf() {
		return n.text
	}
	if out, ok := appendTree(nil, n, jsonDepth); ok {
		return string(out)
	}
	return string(m.Body[n.from:n.to])
}
