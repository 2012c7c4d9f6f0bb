package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// key is one key of a section, as the tags of its field say.
type key struct {
	name      string
	doc       string
	def       string
	hasDef    bool
	otherwise string
	oneof     []string
	path      bool
	typ       reflect.Type
	index     []int
}

// keysOf lists the keys of a struct, those of embedded structs in their place.
func keysOf(t reflect.Type) []key {
	var keys []key
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("toml")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		def, hasDef := f.Tag.Lookup("default")
		_, path := f.Tag.Lookup("path")
		k := key{
			name: name, doc: f.Tag.Get("doc"), def: def, hasDef: hasDef, otherwise: f.Tag.Get("otherwise"),
			path: path, typ: f.Type, index: f.Index,
		}
		if list := f.Tag.Get("oneof"); list != "" {
			k.oneof = strings.Split(list, ",")
		}
		keys = append(keys, k)
	}
	return keys
}

func names(keys []key) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	return all
}

// fill sets the defaults that the tags name.
func fill(target any) {
	v := reflect.ValueOf(target).Elem()
	for _, k := range keysOf(v.Type()) {
		field := v.FieldByIndex(k.index)
		if k.typ.Kind() == reflect.Struct && k.typ != secretType {
			fill(field.Addr().Interface())
			continue
		}
		if !k.hasDef {
			continue
		}
		if reason := assign(field, k, def(k)); reason != "" {
			panic("default of " + k.name + ": " + reason) // a defect of a tag; every test would show it
		}
	}
}

// def makes the node that a default would be, were it written in a file.
func def(k key) *node {
	switch k.typ.Kind() {
	case reflect.Slice:
		n := &node{kind: listKind}
		for s := range strings.SplitSeq(k.def, ",") {
			n.add(&node{kind: textKind, text: s})
		}
		return n
	case reflect.Bool:
		return &node{kind: boolKind, text: k.def}
	case reflect.Int:
		return &node{kind: numberKind, text: k.def}
	}
	return &node{kind: textKind, text: k.def}
}

// decode sets the fields of a struct from a table and remembers which node set them. Keys in also are left alone.
func decode(target any, n *node, set settings, also ...string) Problems {
	if n == nil {
		return nil
	}
	if n.kind != tableKind {
		return Problems{n.problem("must be a table, not %s", n.kind)}
	}
	v := reflect.ValueOf(target).Elem()
	keys := keysOf(v.Type())
	var problems Problems
	for _, kid := range n.kids {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == kid.key })
		switch {
		case slices.Contains(also, kid.key):
		case i < 0:
			problems = append(problems, kid.wrong("unknown key%s", unknown(kid.key, append(names(keys), also...))))
		case keys[i].typ.Kind() == reflect.Struct && keys[i].typ != secretType:
			sub := settings{}
			problems = append(problems, decode(v.FieldByIndex(keys[i].index).Addr().Interface(), kid, sub)...)
			for name, s := range sub {
				set[kid.key+"."+name] = s
			}
			set[kid.key] = kid
		default:
			set[kid.key] = kid
			if reason := assign(v.FieldByIndex(keys[i].index), keys[i], kid); reason != "" {
				problems = append(problems, refuse(keys[i], kid, reason))
			}
		}
	}
	return problems
}

// refuse words a value that a key does not take. What was meant as a secret is not shown.
func refuse(k key, n *node, reason string) Problem {
	if k.typ == secretType {
		return n.val.problem(n.path, "", "%s", reason)
	}
	return n.problem("%s", reason)
}

// unknown says what else was probably meant, or what there is.
func unknown(word string, words []string) string {
	if hint := didYouMean(word, words); hint != "" {
		return hint
	}
	const most = 30
	words = slices.Sorted(slices.Values(words))
	if len(words) > most {
		words = append(words[:most:most], "...")
	}
	return "; known here are " + strings.Join(words, ", ")
}

// assign sets a field from a node, or returns the reason why not.
func assign(field reflect.Value, k key, n *node) string {
	if reason := mismatch(k, n); reason != "" {
		return reason
	}
	switch {
	case k.typ == secretType:
		s, reason := parseSecret(n.text, n.resolve)
		field.Set(reflect.ValueOf(s))
		return reason
	case k.typ == durationType:
		d, err := time.ParseDuration(n.text)
		if err != nil || d <= 0 {
			return `must be a duration above zero such as "90s", "5m" or "26h"`
		}
		field.SetInt(int64(d))
	case k.typ.Kind() == reflect.Bool:
		field.SetBool(n.text == "true")
	case k.typ.Kind() == reflect.Int:
		i, reason := wholeNumber(n)
		if reason != "" {
			return "must be " + reason
		}
		field.SetInt(int64(i))
	case k.typ == numbersType:
		return assignNumbers(field, n)
	case k.typ.Kind() == reflect.Slice:
		return assignList(field, k, n)
	default:
		return assignText(field, k, n)
	}
	return ""
}

// mismatch tells the type that a key wants where it got another.
func mismatch(k key, n *node) string {
	want, word := textKind, "a text in quotes"
	switch {
	case k.typ == secretType:
		word = secretForms
	case k.typ == durationType:
		word = `a duration in quotes such as "5m"`
	case k.typ.Kind() == reflect.Bool:
		want, word = boolKind, boolKind.String()
	case k.typ.Kind() == reflect.Int:
		want, word = numberKind, numberKind.String()
	case k.typ == numbersType:
		want, word = listKind, "a list of whole numbers such as [12, 14]"
	case k.typ.Kind() == reflect.Slice:
		want, word = listKind, `a list of texts such as ["a", "b"]`
	}
	if n.kind == want {
		return ""
	}
	return "must be " + word + ", not " + n.kind.String()
}

func assignText(field reflect.Value, k key, n *node) string {
	if reason := checkText(n.text, k.oneof); reason != "" {
		return reason
	}
	text := n.text
	if k.path && text != "" {
		text = n.resolve(text)
	}
	field.SetString(text)
	return ""
}

func assignList(field reflect.Value, k key, n *node) string {
	items := make([]string, 0, len(n.kids))
	for _, e := range n.kids {
		if e.kind != textKind {
			return "must be a list of texts; one of its elements is " + e.kind.String()
		}
		if e.text == "" {
			return "has an empty element"
		}
		if slices.Contains(items, e.text) {
			return "names " + shown(e.text) + " twice"
		}
		if reason := checkText(e.text, k.oneof); reason != "" {
			return "element " + shown(e.text) + " " + reason
		}
		items = append(items, e.text)
	}
	field.Set(reflect.ValueOf(items))
	return ""
}

func wholeNumber(n *node) (int, string) {
	i, err := strconv.ParseInt(n.text, 0, 32)
	if err != nil {
		return 0, "a whole number that fits into 32 bits"
	}
	return int(i), ""
}

func assignNumbers(field reflect.Value, n *node) string {
	items := make([]int, 0, len(n.kids))
	for _, e := range n.kids {
		if e.kind != numberKind {
			return "must be a list of whole numbers; one of its elements is " + e.kind.String()
		}
		i, reason := wholeNumber(e)
		switch {
		case reason != "":
			return "has an element that is not " + reason
		case slices.Contains(items, i):
			return "names " + strconv.Itoa(i) + " twice"
		}
		items = append(items, i)
	}
	field.Set(reflect.ValueOf(items))
	return ""
}

func checkText(text string, oneof []string) string {
	if len(oneof) > 0 && !slices.Contains(oneof, text) {
		return "must be " + strings.Join(oneof, " or ") + didYouMean(text, oneof)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
		return "holds a control character"
	}
	return ""
}

// shown quotes a text inside a reason.
func shown(text string) string {
	if q := quote(text); q != "" {
		return q
	}
	return redacted
}

// beside finds a relative path from the folder of the file that the node stands in; resolve makes it absolute, so that
// it stays what it was whatever the working folder becomes.
func (n *node) beside(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(n.val.file), path)
}

func (n *node) resolve(path string) string {
	full, err := filepath.Abs(n.beside(path))
	if err != nil {
		return n.beside(path) // the working folder is gone: opening the file will say so
	}
	return full
}

var (
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	numbersType  = reflect.TypeFor[[]int]()
)
