package redcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotList says that an object stands where a list was asked for: as a rule an error under another name.
var errNotList = errors.New("an object where a list was expected")

// newJSON reads JSON as servers really send it: names may stand twice, and old values may hold bytes that are
// not UTF-8, which are looked at where they matter.
func newJSON(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// eachObject calls yield for every object of a JSON list of flat objects. The map is reused. Values are strings
// whatever they were: REDCap writes numbers now as numbers, now as strings (reference 2.1). What is nested is its
// JSON text.
func eachObject(body []byte, yield func(map[string]string) error) error {
	return eachObjectOf(bytes.NewReader(body), yield)
}

// eachObjectOf does so while the list comes in.
func eachObjectOf(r io.Reader, yield func(map[string]string) error) error {
	dec := newJSON(r)
	if kind := dec.PeekKind(); kind == '{' {
		return errNotList
	}
	if err := expect(dec, '['); err != nil {
		return err
	}
	object := make(map[string]string)
	for dec.PeekKind() != ']' {
		clear(object)
		if err := readObject(dec, object); err != nil {
			return err
		}
		if err := yield(object); err != nil {
			return err
		}
	}
	if err := expect(dec, ']'); err != nil {
		return err
	}
	return atEnd(dec)
}

// oneObject reads a body that is a single flat object, or a list of just one.
func oneObject(body []byte) (map[string]string, error) {
	dec := newJSON(bytes.NewReader(body))
	if dec.PeekKind() == '{' {
		object := make(map[string]string)
		if err := readObject(dec, object); err != nil {
			return nil, err
		}
		return object, atEnd(dec)
	}
	var found map[string]string
	err := eachObject(body, func(o map[string]string) error {
		if found != nil {
			return errors.New("several objects where one was expected")
		}
		found = make(map[string]string, len(o))
		for k, v := range o {
			found[k] = v
		}
		return nil
	})
	if err == nil && found == nil {
		err = errors.New("no object where one was expected")
	}
	return found, err
}

func readObject(dec *jsontext.Decoder, object map[string]string) error {
	if err := expect(dec, '{'); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return jsonError(err)
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return jsonError(err)
		}
		object[key] = plainText(value)
	}
	return expect(dec, '}')
}

// plainText is the text that a JSON value stands for. NUL and what is not UTF-8 become U+FFFD: this is for the words
// of a dictionary; cells of records go another way.
func plainText(value jsontext.Value) string {
	if value.Kind() == 'n' {
		return ""
	}
	if value.Kind() != '"' {
		return string(value)
	}
	s := string(value[1 : len(value)-1])
	if strings.IndexByte(s, '\\') >= 0 {
		text, _ := jsontext.AppendUnquote(nil, value)
		s = string(text)
	}
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	return s
}

func expect(dec *jsontext.Decoder, kind jsontext.Kind) error {
	token, err := dec.ReadToken()
	if err != nil {
		return jsonError(err)
	}
	if token.Kind() != kind {
		return fmt.Errorf("unexpected JSON at byte %d", dec.InputOffset())
	}
	return nil
}

func atEnd(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("text after the JSON at byte %d", dec.InputOffset())
	}
	return nil
}

// jsonError drops the decoder's own words, which may quote the input.
func jsonError(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the JSON was cut off")
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d", syntax.ByteOffset)
	}
	return err
}

// headed lets the first bytes of a body be looked at before it is read on.
type headed struct{ from io.Reader }

// head returns up to 4 KiB of the beginning.
func (h *headed) head() ([]byte, error) {
	head := make([]byte, 4<<10)
	n, err := io.ReadFull(h.from, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}

// rest is the body again, with what was made of its head in front.
func (h *headed) rest(head []byte) io.Reader { return io.MultiReader(bytes.NewReader(head), h.from) }
