package engage

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Envelope is what a page says of itself and of the list that it is a part of.
type Envelope struct {
	// PageNumber is that of the page. Another than was asked for shows that the list has become shorter meanwhile.
	PageNumber int
	PageSize   int // of the list's pages, which may be less than was asked for
	TotalItems int64
	TotalPages int // of an empty list 0 or 1
	// Date is the server's clock when it answered; zero where it did not tell.
	Date time.Time
}

// What may come in place of a page. The server's own words are never shown: they may hold anything.
var (
	errWebPage  = errors.New("a web page or XML came instead of data")
	errBlank    = errors.New("an empty answer came")
	errCut      = errors.New("the answer was cut off")
	errNotJSON  = errors.New("the answer is no object of JSON")
	errNoPage   = errors.New("the answer is no page: it lacks pageNumber, pageSize, totalItems, totalPages or items")
	errNoList   = errors.New("the answer is no page: its items are not a list")
	errNoObject = errors.New("the answer is no page: one of its items is not an object")
	errNoNumber = errors.New("the answer is no page: one of its counts is not a whole number")
)

// readPage checks the envelope that every list comes in (reference 3). The items are parts of body.
func readPage(body []byte) (e Envelope, items []jsontext.Value, err error) {
	switch start := bytes.TrimLeft(body, " \t\r\n"); {
	case len(start) == 0:
		return e, nil, errBlank
	case start[0] == '<':
		return e, nil, errWebPage
	case start[0] != '{':
		return e, nil, errNotJSON
	}
	r := pageReader{body: body, dec: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	if err := r.read(); err != nil {
		return Envelope{}, nil, err
	}
	return r.envelope, r.items, nil
}

type pageReader struct {
	body     []byte
	dec      *jsontext.Decoder
	envelope Envelope
	items    []jsontext.Value
	seen     int
}

func (r *pageReader) read() error {
	if _, err := r.dec.ReadToken(); err != nil {
		return damage(err)
	}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return damage(err)
		}
		if err := r.member(name.String()); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return damage(err)
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return errNotJSON
	}
	if r.seen != 5 {
		return errNoPage
	}
	return nil
}

// member reads one of the five; others, which nobody has seen yet, tell nothing of the page.
func (r *pageReader) member(name string) error {
	var n int64
	var err error
	switch name {
	case "pageNumber":
		n, err = r.count()
		r.envelope.PageNumber = int(n)
	case "pageSize":
		n, err = r.count()
		r.envelope.PageSize = int(n)
	case "totalItems":
		r.envelope.TotalItems, err = r.count()
	case "totalPages":
		n, err = r.count()
		r.envelope.TotalPages = int(n)
	case "items":
		err = r.list()
	default:
		return damage(r.dec.SkipValue())
	}
	r.seen++ // a name that stands twice makes it more than five
	return err
}

// count reads a whole number that is not negative.
func (r *pageReader) count() (int64, error) {
	value, err := r.dec.ReadValue()
	if err != nil {
		return 0, damage(err)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 0 {
		return 0, errNoNumber
	}
	return n, nil
}

func (r *pageReader) list() error {
	switch r.dec.PeekKind() {
	case '[':
	case 0:
		_, err := r.dec.ReadToken()
		return damage(err)
	default:
		return errNoList
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return damage(err)
	}
	for r.dec.PeekKind() != ']' {
		value, err := r.dec.ReadValue()
		if err != nil {
			return damage(err)
		}
		if value.Kind() != '{' {
			return errNoObject
		}
		end := int(r.dec.InputOffset())
		r.items = append(r.items, jsontext.Value(r.body[end-len(value):end:end]))
	}
	_, err := r.dec.ReadToken()
	return damage(err)
}

// damage tells an answer that was cut from one that is something else, without the decoder's words, which quote.
func damage(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errCut
	}
	return errNotJSON
}
