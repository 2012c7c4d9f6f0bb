package redox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// fhirModel is the model of deliveries that are FHIR and no data model of Redox.
const fhirModel = "FHIR"

const (
	longestWord = 100  // bytes of a model, an event type, a source's id; what is longer is none
	longestID   = 1000 // bytes of an id that is kept in memory; of a longer one its hash is
)

// envelope is what is read of a body to know it again. Whatever cannot be read is left empty: it is kept all the same, and
// judged when it is decoded.
type envelope struct {
	source       string // Meta.Source.ID; FHIR: MessageHeader.source.endpoint without urn:uuid:
	model        string // Meta.DataModel without blanks; fhirModel
	event        string // Meta.EventType; FHIR: the event of the MessageHeader, or the resource's type
	at           time.Time
	test         bool
	log          string // Meta.Logs[0].ID
	transmission string // Meta.Transmission.ID
}

// readEnvelope reads as far into a body as it has to. Where Meta stands first, as Redox sends it, that is a few hundred bytes.
func readEnvelope(body []byte) envelope {
	var e envelope
	var b bundle
	s := newScan(body)
	s.object(func(name string) bool {
		switch name {
		case "Meta":
			e.readMeta(s)
			return e.model == "" || e.model == fhirModel
		case "resourceType":
			b.kind = s.word()
		case "timestamp":
			b.at = instant(s.short())
		case "entry":
			s.first(func() { b.header.readEntry(s) })
		default:
			s.skip()
		}
		return true
	})
	if b.kind != "" && (e.model == "" || e.model == fhirModel) {
		e.readBundle(b)
	}
	return e
}

// readMeta reads the object Meta (reference 5). Of members that come twice the first that says something counts.
func (e *envelope) readMeta(s *scan) {
	s.object(func(name string) bool {
		switch name {
		case "DataModel":
			keep(&e.model, modelOf(s.word()))
		case "EventType":
			keep(&e.event, s.word())
		case "EventDateTime":
			if at := instant(s.short()); e.at.IsZero() {
				e.at = at
			}
		case "Test":
			e.test = e.test || strings.EqualFold(s.word(), "true")
		case "Source":
			keep(&e.source, s.member("ID", (*scan).word))
		case "Logs":
			s.first(func() { keep(&e.log, s.member("ID", (*scan).id)) })
		case "Transmission":
			keep(&e.transmission, s.member("ID", (*scan).id))
		default:
			s.skip()
		}
		return true
	})
}

// modelOf is a data model without blanks; those by whose names Redox calls FHIR are one.
func modelOf(word string) string {
	model := strings.ReplaceAll(word, " ", "")
	if strings.HasPrefix(model, fhirModel+".") {
		return fhirModel
	}
	return model
}

// bundle is what a FHIR body says of itself outside Meta (reference 7).
type bundle struct {
	kind   string // resourceType
	at     time.Time
	header messageHeader
}

type messageHeader struct {
	kind, endpoint, uri, code string
}

func (h *messageHeader) readEntry(s *scan) {
	s.object(func(name string) bool {
		if name != "resource" {
			s.skip()
			return true
		}
		s.object(func(name string) bool {
			switch name {
			case "resourceType":
				keep(&h.kind, s.word())
			case "source":
				keep(&h.endpoint, s.member("endpoint", (*scan).word))
			case "eventUri":
				keep(&h.uri, s.short())
			case "eventCoding":
				keep(&h.code, s.member("code", (*scan).word))
			default:
				s.skip()
			}
			return true
		})
		return true
	})
}

// readBundle adds what Meta does not say.
func (e *envelope) readBundle(b bundle) {
	e.model = fhirModel
	if e.at.IsZero() {
		e.at = b.at
	}
	if b.kind == "Bundle" && b.header.kind == "MessageHeader" {
		keep(&e.source, strings.TrimPrefix(b.header.endpoint, "urn:uuid:"))
		keep(&e.event, asWord(b.header.uri[strings.LastIndexByte(b.header.uri, '/')+1:]))
		keep(&e.event, b.header.code)
	}
	keep(&e.event, b.kind)
}

// keep sets a text that is not set yet.
func keep(to *string, text string) {
	if *to == "" {
		*to = text
	}
}

// key is by what a delivery is known again (reference 6.3).
func (e *envelope) key(body [32]byte) string {
	switch {
	case e.log != "":
		return boundedKey("log:", strings.ToLower(e.log))
	case e.transmission != "" && e.source != "":
		return boundedKey("tx:", strings.ToLower(e.source+":"+e.transmission))
	}
	return "sha:" + hex.EncodeToString(body[:])
}

// boundedKey keeps to extract.MaxDeliveryKey and to printable ASCII: what does not is hashed.
func boundedKey(prefix, id string) string {
	fits := len(prefix)+len(id) <= extract.MaxDeliveryKey
	if fits && strings.IndexFunc(id, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return prefix + id
	}
	sum := sha256.Sum256([]byte(id))
	return prefix + "sha256:" + hex.EncodeToString(sum[:])
}

// scan reads values of a JSON text that nobody vouches for. Its first error ends it: from then on there is nothing to be had.
type scan struct {
	dec *jsontext.Decoder
	bad bool
}

func newScan(body []byte) *scan {
	return &scan{dec: jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

// object calls read for each member of the object that comes next, until it returns false, after which nothing can be read any
// more. read has to take the member's value. What is no object is skipped.
func (s *scan) object(read func(name string) (more bool)) {
	if s.dec.PeekKind() != '{' {
		s.skip()
		return
	}
	s.token()
	for !s.bad && s.dec.PeekKind() == '"' {
		if !read(s.name()) {
			s.bad = true
		}
	}
	s.token()
}

// first calls read at the first element of the array that comes next, and skips the others.
func (s *scan) first(read func()) {
	if s.dec.PeekKind() != '[' {
		s.skip()
		return
	}
	s.token()
	for at := 0; !s.bad && s.dec.PeekKind() != ']' && s.dec.PeekKind() != 0; at++ {
		if at == 0 {
			read()
		} else {
			s.skip()
		}
	}
	s.token()
}

// member reads one member of the object that comes next.
func (s *scan) member(name string, read func(*scan) string) (text string) {
	s.object(func(n string) bool {
		if n == name {
			keep(&text, read(s))
		} else {
			s.skip()
		}
		return true
	})
	return text
}

func (s *scan) token() {
	if s.bad {
		return
	}
	_, err := s.dec.ReadToken()
	s.bad = err != nil
}

func (s *scan) skip() {
	if s.bad {
		return
	}
	s.bad = s.dec.SkipValue() != nil
}

// ended says that the text was read to its end, and was one document.
func (s *scan) ended() bool {
	if s.bad {
		return false
	}
	_, err := s.dec.ReadToken()
	return err == io.EOF
}

// name reads the name of a member; one that is too long to be any that is looked for is none.
func (s *scan) name() string { return s.text(longestWord) }

// word reads a scalar that may stand in a log, a label or a key.
func (s *scan) word() string { return asWord(s.short()) }

// short reads a scalar.
func (s *scan) short() string { return s.text(longestID) }

// id reads a scalar that names something; of one that is too long its hash.
func (s *scan) id() string {
	raw := s.scalar()
	if len(raw) > longestID {
		sum := sha256.Sum256(raw)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return plain(raw)
}

func (s *scan) text(longest int) string {
	raw := s.scalar()
	if len(raw) > longest {
		return ""
	}
	return plain(raw)
}

// scalar reads a string, a number or a boolean as it stands; anything else is skipped.
func (s *scan) scalar() jsontext.Value {
	if s.bad {
		return nil
	}
	switch s.dec.PeekKind() {
	case '"', '0', 't', 'f':
		raw, err := s.dec.ReadValue()
		s.bad = err != nil
		return raw
	}
	s.skip()
	return nil
}

// plain is the text of a scalar: of a number its digits as sent.
func plain(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return string(raw)
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // invalid UTF-8 becomes U+FFFD, which no word holds
	return string(text)
}

// asWord returns a short printable text, and "" for any other.
func asWord(text string) string {
	if len(text) > longestWord || strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return ""
	}
	return text
}

// instants are the forms of date-times seen (reference 6.4). Those without a zone are UTC, as EventDateTime is.
var instants = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700",
	"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02",
}

// instant reads a date-time to the microsecond; zero where it is none. A leap second is the one before it.
func instant(text string) time.Time {
	const second = len("2006-01-02T15:04:")
	if len(text) >= second+2 && text[second-1] == ':' && text[second:second+2] == "60" {
		text = text[:second] + "59" + text[second+2:]
	}
	for _, layout := range instants {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1 {
			return t.UTC().Truncate(time.Microsecond)
		}
	}
	return time.Time{}
}
