package redox

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// depthLimit bounds how deep a document may nest.
const depthLimit = 10_000

// Why a document cannot be read; they stand as the reason of a rejected delivery.
var (
	errNotJSON   = errors.New("not JSON")
	errNotObject = errors.New("not a JSON object")
	errUTF8      = errors.New("invalid utf-8")
	errDuplicate = errors.New("duplicate key")
	errSecond    = errors.New("more than one document")
	errDeep      = errors.New("nested too deep")
)

// node is a value of a JSON document. Its texts lie in the document's bytes where nothing of them is escaped.
type node struct {
	kind jsontext.Kind
	name string // as a member of an object
	// text of a string, digits of a number as sent, true or false. Where unfit it is the string as it is escaped.
	text string
	// unfit says that the string holds what no text in Postgres can: a NUL, or half of a pair of surrogates.
	unfit    bool
	void     bool // it counts as not sent: null, "", and objects and arrays in which there is nothing else
	from, to int  // where it stands in the document
	first    *node
	next     *node // the next member or element of its parent
}

// parser makes trees, one at a time: the nodes of one are those of the last.
type parser struct {
	buf   bytes.Buffer
	dec   jsontext.Decoder
	body  []byte
	depth int
	lent  int // nodes
	nodes []*[nodeChunk]node
}

// Nodes are made by the chunk, and so many chunks are kept from one document to the next.
const (
	nodeChunk  = 512
	keepChunks = 64
)

// parse reads one document, whose bytes must stay as they are for as long as its tree or any text of it is used. The tree ends with
// the next call.
func (p *parser) parse(body []byte) (*node, error) {
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	p.body, p.depth, p.lent = body, 0, 0
	if len(p.nodes) > keepChunks {
		p.nodes = slices.Clone(p.nodes[:keepChunks])
	}
	p.buf = *bytes.NewBuffer(body)
	p.dec.Reset(&p.buf, jsontext.AllowInvalidUTF8(true)) // the bytes are valid; lone surrogates in escapes are looked at here
	root, err := p.value()
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); err != io.EOF {
		return nil, errSecond
	}
	if root.kind != '{' {
		return nil, errNotObject
	}
	return root, nil
}

func (p *parser) value() (*node, error) {
	switch kind := p.dec.PeekKind(); kind {
	case '{', '[':
		return p.nest(kind)
	case '"':
		return p.str()
	default:
		v, err := p.dec.ReadValue()
		if err != nil {
			return nil, cause(err)
		}
		n := p.node(v.Kind(), len(v))
		n.text, n.void = p.alias(n.from, n.to), kind == 'n'
		return n, nil
	}
}

// nest reads an object or an array.
func (p *parser) nest(kind jsontext.Kind) (*node, error) {
	if p.depth++; p.depth > depthLimit {
		return nil, errDeep
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, cause(err)
	}
	n := p.node(kind, 1)
	n.void = true
	for at := &n.first; ; {
		switch p.dec.PeekKind() {
		case '}', ']':
			if _, err := p.dec.ReadToken(); err != nil {
				return nil, cause(err)
			}
			n.to = int(p.dec.InputOffset())
			p.depth--
			return n, nil
		}
		var name string
		if kind == '{' {
			key, err := p.str()
			if err != nil {
				return nil, err
			}
			name = key.text
		}
		child, err := p.value()
		if err != nil {
			return nil, err
		}
		child.name = name
		n.void = n.void && child.void
		*at, at = child, &child.next
	}
}

func (p *parser) str() (*node, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, cause(err)
	}
	n := p.node('"', len(v))
	n.text, n.void = p.alias(n.from+1, n.to-1), len(v) == len(`""`)
	if bytes.IndexByte(v, '\\') < 0 {
		return n, nil
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if n.unfit = err != nil || bytes.IndexByte(text, 0) >= 0; !n.unfit {
		n.text = string(text)
	}
	return n, nil
}

// node lends out a node that ends where the decoder stands.
func (p *parser) node(kind jsontext.Kind, size int) *node {
	at := p.lent / nodeChunk
	if at == len(p.nodes) {
		p.nodes = append(p.nodes, new([nodeChunk]node))
	}
	n := &p.nodes[at][p.lent%nodeChunk]
	p.lent++
	to := int(p.dec.InputOffset())
	*n = node{kind: kind, from: to - size, to: to}
	return n
}

// alias is a part of the document as text, without a copy.
func (p *parser) alias(from, to int) string {
	if from == to {
		return ""
	}
	return unsafe.String(&p.body[from], to-from)
}

func cause(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errDuplicate
	}
	return errNotJSON
}

// get returns the member at the end of a path of names, nil where there is none.
func (n *node) get(path ...string) *node {
	for _, name := range path {
		if n == nil || n.kind != '{' {
			return nil
		}
		at := n.first
		for at != nil && at.name != name {
			at = at.next
		}
		n = at
	}
	return n
}

// str returns the text of a string, a number or a truth value, and "" for anything else. Of a string that no column can hold it
// returns a NUL, which makes it no key either.
func (n *node) str() string {
	switch {
	case n == nil || n.kind == 'n':
		return ""
	case n.unfit:
		return "\x00"
	}
	return n.text
}

// object returns n where it is an object that says anything, else nil.
func (n *node) object() *node {
	if n == nil || n.kind != '{' || n.empty() {
		return nil
	}
	return n
}

// items returns the elements of an array that say anything. What should be an array and is an object counts as its one element.
func (n *node) items() []*node {
	switch {
	case n == nil:
		return nil
	case n.kind == '{' && !n.empty():
		return []*node{n}
	case n.kind != '[':
		return nil
	}
	var all []*node
	for e := n.first; e != nil; e = e.next {
		if !e.empty() {
			all = append(all, e)
		}
	}
	return all
}

// empty reports whether n counts as not sent.
func (n *node) empty() bool { return n == nil || n.void }

// leaf reports whether n is a string, a number or a truth value.
func (n *node) leaf() bool { return n.kind != '{' && n.kind != '[' && n.kind != 'n' }
