package config

import (
	"path/filepath"
	"reflect"
	"slices"
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
	size      bool // a number of bytes, which may be written with its unit
	single    bool // a list that may be written as its only element
	plain     bool // a secret that is none where it stands in the file itself: an id
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
		k := key{
			name: name, doc: f.Tag.Get("doc"), def: def, hasDef: hasDef, otherwise: f.Tag.Get("otherwise"),
			path: tagged(f, "path"), size: tagged(f, "size"), single: tagged(f, "single"), plain: tagged(f, "plain"),
			typ: f.Type, index: f.Index,
		}
		if list := f.Tag.Get("oneof"); list != "" {
			k.oneof = strings.Split(list, ",")
		}
		keys = append(keys, k)
	}
	return keys
}

func (k key) called() string { return k.name }

func tagged(f reflect.StructField, tag string) bool {
	_, ok := f.Tag.Lookup(tag)
	return ok
}

// nested says that a key is a table with keys of its own; named that it holds several such tables, each with a name.
func (k key) nested() bool { return k.typ.Kind() == reflect.Struct && k.typ != secretType }

func (k key) named() bool {
	return k.typ.Kind() == reflect.Map && k.typ.Elem().Kind() == reflect.Struct
}

// field is a key with the place of its value.
type field struct {
	key
	at reflect.Value
}

// table is what one table of a file is read into, where that is not a single struct.
type table struct {
	into   []any             // structs, each of which has some of the keys; a key of several is set in each
	others map[string]string // keys that are of use elsewhere, and why they cannot stand here; without a reason they are passed over
}

// fieldsOf lists the keys of a struct, or of all structs of a table.
func fieldsOf(target any) []field {
	structs := []any{target}
	if t, ok := target.(table); ok {
		structs = t.into
	}
	var fields []field
	for _, s := range structs {
		v := reflect.ValueOf(s).Elem()
		for _, k := range keysOf(v.Type()) {
			fields = append(fields, field{k, v.FieldByIndex(k.index)})
		}
	}
	return fields
}

// secret says that a key refers to a secret, or to several.
func (k key) secret() bool { return k.typ == secretType || k.typ == secretsType }

func names[K interface{ called() string }](keys []K) []string {
	var all []string
	for _, k := range keys {
		if !slices.Contains(all, k.called()) {
			all = append(all, k.called())
		}
	}
	return all
}

// fill sets the defaults that the tags name.
func fill(target any) {
	for _, f := range fieldsOf(target) {
		if f.nested() {
			fill(f.at.Addr().Interface())
			continue
		}
		if !f.hasDef {
			continue
		}
		if reason := assign(f.at, f.key, def(f.key)); reason != "" {
			panic("default of " + f.name + ": " + reason) // a defect of a tag; every test would show it
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
		if !k.size {
			return &node{kind: numberKind, text: k.def}
		}
	}
	return &node{kind: textKind, text: k.def}
}

// decode sets the fields of a struct, or of those of a table, and remembers which node set them. Keys in also are left alone.
func decode(target any, n *node, set settings, also ...string) Problems {
	if n == nil {
		return nil
	}
	if n.kind != tableKind {
		return Problems{n.problem("must be a table, not %s", n.kind)}
	}
	fields := fieldsOf(target)
	t, _ := target.(table)
	var problems Problems
	for _, kid := range n.kids {
		reason, elsewhere := t.others[kid.key]
		known := false
		for _, f := range fields {
			if f.name == kid.key {
				known = true
				problems = append(problems, f.take(kid, set)...)
			}
		}
		switch {
		case known, slices.Contains(also, kid.key), elsewhere && reason == "":
		case elsewhere:
			problems = append(problems, kid.wrong("%s", reason))
		default:
			problems = append(problems, kid.wrong("unknown key%s", unknown(kid.key, append(names(fields), also...))))
		}
	}
	return problems
}

// take sets a field from the node of its key.
func (f field) take(n *node, set settings) Problems {
	set[n.key] = n
	switch {
	case f.nested():
		sub := settings{}
		problems := decode(f.at.Addr().Interface(), n, sub)
		set.put(n.key, sub)
		return problems
	case f.named():
		return f.takeNamed(n, set)
	}
	if reason := assign(f.at, f.key, n); reason != "" {
		n.refused = true
		return Problems{refuse(f.key, n, reason)}
	}
	return nil
}

// takeNamed reads a table of tables. One that a layer above named already is replaced whole.
func (f field) takeNamed(n *node, set settings) Problems {
	if n.kind != tableKind {
		return Problems{n.problem("must be a table, not %s", n.kind)}
	}
	if f.at.IsNil() {
		f.at.Set(reflect.MakeMap(f.typ))
	}
	var problems Problems
	for _, kid := range n.kids {
		if reason := badName(kid.key); reason != "" {
			problems = append(problems, kid.wrong("%s", reason))
		}
		one, sub := reflect.New(f.typ.Elem()), settings{}
		fill(one.Interface())
		problems = append(problems, decode(one.Interface(), kid, sub)...)
		f.at.SetMapIndex(reflect.ValueOf(kid.key), one.Elem())
		set[n.key+"."+kid.key] = kid
		set.put(n.key+"."+kid.key, sub)
	}
	return problems
}

// put adds the nodes of a table inside a table.
func (s settings) put(path string, sub settings) {
	for name, n := range sub {
		s[path+"."+name] = n
	}
}

// refuse words a value that a key does not take. What was meant as a secret is not shown.
func refuse(k key, n *node, reason string) Problem {
	if k.secret() {
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
	if k.single && n.kind == textKind {
		n = &node{path: n.path, at: n.at, val: n.val, kind: listKind, kids: []*node{n}}
	}
	if reason := mismatch(k, n); reason != "" {
		return reason
	}
	switch {
	case k.typ == secretType:
		s, reason := k.parseSecret(n)
		field.Set(reflect.ValueOf(s))
		return reason
	case k.typ == secretsType:
		return assignSecrets(field, k, n)
	case k.typ == durationType:
		d, ok := duration(n.text)
		if !ok {
			return `must be a duration above zero such as "90s", "5m", "26h" or "90d"`
		}
		field.SetInt(int64(d))
	case k.typ.Kind() == reflect.Bool:
		field.SetBool(n.text == "true")
	case k.size && n.kind == textKind:
		i, ok := bytesOf(n.text)
		if !ok {
			return `must be a whole number of bytes, or a text such as "64MiB"`
		}
		field.SetInt(i)
	case k.typ.Kind() == reflect.Int:
		i, reason := wholeNumber(n)
		if reason != "" {
			return "must be " + reason
		}
		field.SetInt(int64(i))
	case k.typ == numbersType:
		return assignNumbers(field, n)
	case k.typ == textsType:
		return assignTexts(field, n)
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
	case k.typ == secretsType:
		want, word = listKind, `a list of references to secrets such as ["env:REDOX_TOKEN"]`
	case k.typ == durationType:
		word = `a duration in quotes such as "5m"`
	case k.typ.Kind() == reflect.Bool:
		want, word = boolKind, boolKind.String()
	case k.size && n.kind == textKind:
	case k.size:
		want, word = numberKind, `a whole number of bytes or a text such as "64MiB"`
	case k.typ.Kind() == reflect.Int:
		want, word = numberKind, numberKind.String()
	case k.typ == numbersType:
		want, word = listKind, "a list of whole numbers such as [12, 14]"
	case k.typ == textsType:
		want, word = tableKind, `a table of texts such as {a = "b"}`
	case k.typ.Kind() == reflect.Slice:
		want, word = listKind, `a list of texts such as ["a", "b"]`
	}
	if n.kind == want {
		return ""
	}
	return "must be " + word + ", not " + n.kind.String()
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
	secretsType  = reflect.TypeFor[[]Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	textsType    = reflect.TypeFor[map[string]string]()
	numbersType  = reflect.TypeFor[[]int]()
)
