package redox

import (
	"cmp"
	"slices"
	"strings"

	"syncd/extract"
)

// projection is what people ask of the resources of one type, as columns. Every word of its description is a column and the path of its
// value in the resource: "birth_date:date=birthDate". A sign before the name stands for several columns:
//
//	#code=code          a CodeableConcept, or a Coding: code_system, code, code_display, code_text
//	@subject=subject    a Reference: subject_reference, _type, _system, _value (of the identifier that it is known by), _display
//	%period=period      a Period: period_start, period_end
//	name_given+=...     an array of strings, joined by blanks
//	!old_visit=...      the value of an extension whose address ends in these letters, whatever stands between them
//
// Of an array on a path the first element counts, or, in brackets, the first that is what they say, in the order of the bars:
// name[use=official|usual|*]; [system=phone&use=home] asks for both. A path may name several, of which the first that is there counts,
// parted by '|'. A reference is looked for among all elements: @patient=participant.actor/Patient is the first that is a Patient.
type projection struct {
	entity  *entity
	columns []projected
}

// projected is one word of a description.
type projected struct {
	kind  byte   // '#', '@', '%', '!', '+', '*' for all of an array, or 0
	name  string // without its form
	paths [][]step
	only  string // '@': type of the resource; '!': letters of the address
}

// step is one member on a path, and which of its elements counts.
type step struct {
	member  string
	choices []choice
}

// choice asks that members of an element have these values; none asks for nothing.
type choice map[string]string

// newProjection makes the entity of a projection out of its description.
func newProjection(spec tableSpec, words string, others ...tableSpec) *projection {
	p := &projection{}
	spec.key = "source_id identifier_system identifier_value"
	spec.also = "message_key resource_id ended"
	paths := map[string]string{"identifier_value": "identifier.value"}
	for word := range strings.FieldsSeq(words) {
		c, columns := newProjected(word)
		p.columns = append(p.columns, c)
		spec.also += " " + columns
		_, path, _ := strings.Cut(word, "=")
		for column := range strings.FieldsSeq(columns) {
			name, form, _ := strings.Cut(column, ":")
			paths[name] = path
			if formOf(cmp.Or(form, "text")).double() {
				paths[name+"_text"] = path
			}
		}
	}
	p.entity = newEntity(spec, others...).with(lastValues)
	for _, columns := range [][]extract.Column{p.entity.tables[0].live.Columns, p.entity.tables[0].past.Columns} {
		for i := range columns {
			if path := paths[columns[i].Name]; path != "" {
				describe(&columns[i], spec.at, path)
			}
		}
	}
	return p
}

// lastValues is the view of last values, of a thing whose columns code gives.
func lastValues(e *entity) extract.View { return filled(e.tables[0]) }

// describe says of a column what it shows of its resource, and whether that tells who a person is.
func describe(c *extract.Column, kind, path string) {
	c.Source = kind + "." + path
	c.Field, c.Label = c.Source, c.Source
	if !c.Key {
		c.Comment = "" // that of another column of this name
	}
	first, _, _ := strings.Cut(path, "[")
	first, _, _ = strings.Cut(first, ".")
	c.Identifier = kind == "Patient" && slices.Contains([]string{"identifier", "name", "telecom", "address", "birthDate", "deceasedDateTime"}, first)
}

// newProjected reads one word, and names the columns that it makes.
func newProjected(word string) (projected, string) {
	name, path, _ := strings.Cut(word, "=")
	var c projected
	if strings.ContainsRune("#@%!", rune(name[0])) {
		c.kind, name = name[0], name[1:]
	} else if joined, ok := strings.CutSuffix(name, "+"); ok {
		c.kind, name = '+', joined
	} else if strings.HasSuffix(name, ":json") {
		c.kind = '*'
	}
	switch c.kind {
	case '@':
		if at := strings.LastIndexByte(path, '/'); at >= 0 {
			path, c.only = path[:at], path[at+1:]
		}
	case '!':
		c.only = path
	}
	for _, one := range cutOutside(path, '|') {
		c.paths = append(c.paths, steps(one))
	}
	columns := name
	c.name, _, _ = strings.Cut(name, ":")
	switch c.kind {
	case '#':
		columns = strings.Join([]string{name + "_system", codeColumn(name), name + "_display", name + "_text"}, " ")
	case '@':
		columns = strings.Join([]string{name + "_reference", name + "_type", name + "_system", name + "_value", name + "_display"}, " ")
	case '%':
		columns = name + "_start:time " + name + "_end:time"
	}
	return c, columns
}

func codeColumn(name string) string {
	if name == "code" {
		return name
	}
	return name + "_code"
}

// cutOutside cuts a text at a sign that is not in brackets.
func cutOutside(text string, sign rune) []string {
	depth := 0
	return strings.FieldsFunc(text, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		return r == sign && depth == 0
	})
}

func steps(path string) []step {
	var all []step
	for _, word := range cutOutside(path, '.') {
		member, rest, _ := strings.Cut(word, "[")
		s := step{member: member}
		if rest = strings.TrimSuffix(rest, "]"); rest == "" {
			rest = "*"
		}
		first, _, _ := strings.Cut(rest, "=")
		for _, one := range strings.Split(rest, "|") {
			c := choice{}
			for _, part := range strings.Split(one, "&") {
				name, value, given := strings.Cut(part, "=")
				if !given {
					name, value = first, name
				}
				if value != "*" {
					c[name] = value
				}
			}
			s.choices = append(s.choices, c)
		}
		all = append(all, s)
	}
	return all
}

// follow returns what is at the end of a path, nil where nothing is.
func follow(n *node, path []step) *node {
	for _, s := range path {
		n = s.choose(n.get(s.member))
	}
	if n.empty() {
		return nil
	}
	return n
}

func (s step) choose(n *node) *node {
	candidates := n.items()
	if len(candidates) == 0 && !n.empty() && n.kind != '[' {
		candidates = []*node{n}
	}
	for _, c := range s.choices {
		for _, one := range candidates {
			if c.fits(one) {
				return one
			}
		}
	}
	return nil
}

func (c choice) fits(n *node) bool {
	for name, value := range c {
		if n.get(name).str() != value {
			return false
		}
	}
	return true
}

// every returns all that is at the end of a path, in every element of the arrays on it.
func every(n *node, path []step) []*node {
	if n.empty() {
		return nil
	}
	if n.kind == '[' {
		var all []*node
		for _, item := range n.items() {
			all = append(all, every(item, path)...)
		}
		return all
	}
	if len(path) == 0 {
		return []*node{n}
	}
	return every(n.get(path[0].member), path[1:])
}

// cells are the columns of a resource, behind those that are known already.
func (p *projection) cells(b *fhirBundle, e *fhirEntry, known []also) []also {
	for _, c := range p.columns {
		if c.kind == '@' {
			known = append(known, b.referenceCells(e, c)...)
			continue
		}
		var n *node
		for i := 0; i < len(c.paths) && n == nil; i++ {
			n = c.value(e.resource, c.paths[i])
		}
		if n == nil {
			continue
		}
		switch c.kind {
		case '#':
			known = append(known, conceptCells(c.name, n)...)
		case '%':
			known = append(known, take(c.name+"_start", n.get("start")), take(c.name+"_end", n.get("end")))
		default:
			known = append(known, take(c.name, n))
		}
	}
	return known
}

// value is what one path leads to.
func (c projected) value(resource *node, path []step) *node {
	last := len(path) - 1
	switch c.kind {
	case '!':
		return extension(resource.get("extension"), c.only)
	case '*':
		return follow(resource, path[:last]).get(path[last].member)
	case '+':
	default:
		return follow(resource, path)
	}
	var words []string
	for _, word := range follow(resource, path[:last]).get(path[last].member).items() {
		if text := word.str(); text != "" {
			words = append(words, text)
		}
	}
	if len(words) == 0 {
		return nil
	}
	return &node{kind: '"', text: strings.Join(words, " ")}
}

// extension finds the value of an extension, or of one inside another, by the letters at the end of its address.
func extension(list *node, letters string) *node {
	for _, x := range list.items() {
		url := strings.ToLower(x.get("url").str())
		url = strings.ReplaceAll(url[strings.LastIndexByte(url, '/')+1:], "-", "")
		if found := extension(x.get("extension"), letters); found != nil {
			return found
		}
		for c := x.first; c != nil && strings.HasSuffix(url, letters); c = c.next {
			if strings.HasPrefix(c.name, "value") && !c.empty() {
				return c
			}
		}
	}
	return nil
}

// conceptCells are the columns of a CodeableConcept, by its first coding, or of a Coding.
func conceptCells(name string, n *node) []also {
	coding := firstOf(n.get("coding"))
	if coding == nil {
		coding = n
	}
	return []also{
		take(name+"_system", coding.get("system")), take(codeColumn(name), coding.get("code")),
		take(name+"_display", coding.get("display")), take(name+"_text", n.get("text")),
	}
}

func (b *fhirBundle) referenceCells(e *fhirEntry, c projected) []also {
	for _, path := range c.paths {
		for _, n := range every(e.resource, path) {
			r := b.reference(e, n)
			if c.only != "" && r.kind != c.only {
				continue
			}
			return []also{
				take(c.name+"_reference", r.node), set(c.name+"_type", r.kind), set(c.name+"_system", r.system),
				set(c.name+"_value", r.value), take(c.name+"_display", r.display),
			}
		}
	}
	return nil
}
