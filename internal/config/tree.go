package config

import (
	"slices"
	"strconv"
	"strings"
)

// kind is what a node of a file is.
type kind int

const (
	tableKind kind = iota
	listKind
	textKind
	numberKind
	boolKind
	otherKind // dates, times, floats, lists of tables: no key takes them
)

func (k kind) String() string {
	switch k {
	case tableKind:
		return "a table"
	case listKind:
		return "a list"
	case textKind:
		return "a text in quotes"
	case numberKind:
		return "a whole number"
	case boolKind:
		return "true or false"
	}
	return "a date, a time, a number with decimals or a list of tables"
}

// node is a key of a file with what it holds, or an element of a list.
type node struct {
	key   string
	path  string // as problems name it: job.asthma.schedule
	at    place  // of the key
	val   place  // of the value; the key's where the parser does not tell
	kind  kind
	text  string  // of texts: decoded; of numbers and booleans: as written
	kids  []*node // of tables and lists, in the file's order
	byKey map[string]*node

	headed  bool // a table with its own [header]
	inline  bool // a table in braces: whole as it stands
	refused bool // its value was refused: what it would have been is not known
	flawed  bool // a table with a statement that could not be read: what seems to be missing may stand there
}

func (n *node) kid(key string) *node {
	if n == nil {
		return nil
	}
	return n.byKey[key]
}

func (n *node) add(k *node) *node {
	if n.byKey == nil {
		n.byKey = map[string]*node{}
	}
	if n.kind != listKind {
		n.byKey[k.key] = k
	}
	n.kids = append(n.kids, k)
	return k
}

// drop takes a key out of a table and returns it, nil where there is none.
func (n *node) drop(key string) *node {
	k := n.byKey[key]
	delete(n.byKey, key)
	n.kids = slices.DeleteFunc(n.kids, func(other *node) bool { return other == k })
	return k
}

// show quotes the value for a problem, or returns "" where it is no scalar or looks like a secret.
func (n *node) show() string {
	switch n.kind {
	case textKind:
		return quote(n.text)
	case numberKind, boolKind:
		return cut(n.text)
	}
	return ""
}

// problem makes a problem with the value; wrong makes one without it, at the key.
func (n *node) problem(format string, args ...any) Problem {
	return n.val.problem(n.path, n.show(), format, args...)
}

func (n *node) wrong(format string, args ...any) Problem {
	return n.at.problem(n.path, "", format, args...)
}

// merge puts the tables of a further file beside those of the first; what both name is a problem.
func (n *node) merge(other *node) Problems {
	var problems Problems
	for _, k := range other.kids {
		mine := n.kid(k.key)
		switch {
		case mine == nil:
			n.add(k)
		case mine.kind == tableKind && k.kind == tableKind && !mine.inline && !k.inline && !(mine.headed && k.headed):
			mine.headed = mine.headed || k.headed
			problems = append(problems, mine.merge(k)...)
		default:
			problems = append(problems, k.wrong("is already at %s", mine.at))
		}
	}
	return problems
}

// join appends a key to a path, quoted where a bare key could not spell it.
func join(path, key string) string {
	shown := key
	switch {
	case looksSecret(key):
		shown = redacted
	case key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "":
		shown = strconv.QuoteToASCII(cut(key))
	default:
		shown = cut(shown)
	}
	if path == "" {
		return shown
	}
	return path + "." + shown
}

// quote shows a text in quotes, cut, and nothing of one that may hold a secret.
func quote(s string) string {
	if looksSecret(s) {
		return ""
	}
	return strconv.Quote(cut(s))
}

// cut shortens a text to what fits into a line.
func cut(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "..."
		}
	}
	return s
}
