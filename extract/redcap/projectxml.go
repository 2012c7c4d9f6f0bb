package redcap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"syncd/extract"
	"syncd/extract/upstream"
)

// What a project XML may at most be, and be nested: a dictionary of 35,000 fields is some 40 MB of it.
const (
	xmlBytes = 256 << 20
	xmlDepth = 100
)

// callXML is how what the project XML tells is remembered.
const callXML = "project_xml"

// design is what only the project XML tells of a project (reference 3.10).
type design struct {
	Surveys []string // instruments that are surveys
	Reports []reportInfo
	Missing *string // missing-data codes; nil where the XML does not say
}

// reportInfo is a report's definition. Links to public reports are not among it: they are credentials.
type reportInfo struct{ Unique, ID, Title, Order, Fields, Logic string }

// readProjectXML asks for the definition of the project without its data. Of the answer only what is used is remembered.
func (s *Source) readProjectXML(ctx context.Context, p *snapshot) error {
	d, err := s.askProjectXML(ctx, p)
	if err != nil && !refused(err) && !errors.Is(err, errWrongAnswer) && extract.KindOf(err) != extract.KindTooLarge {
		return err
	}
	if err != nil { // nothing depends on it so much that a document which cannot be read should stop a run
		p.warn("the project XML was not read: %s; which instruments are surveys is not known", why(err, "Project Design and Setup"))
	}
	if d == nil {
		return nil
	}
	p.design = d
	if _, told := p.info["missing_data_codes"]; !told && d.Missing != nil {
		p.missing = parseMissingCodes(*d.Missing)
	}
	return nil
}

// askProjectXML returns nil where nobody is to be asked.
func (s *Source) askProjectXML(ctx context.Context, p *snapshot) (*design, error) {
	q := question{what: "export project XML", resource: callXML, content: callXML}
	switch {
	case s.from.knows(callXML):
		a, err := s.inquire(ctx, callXML, q)
		if err != nil {
			return nil, err
		}
		d := &design{}
		if json.Unmarshal(a.body, d) != nil {
			return nil, errForgotten
		}
		return d, nil
	case s.from.mute, !p.repeatsKnown: // the same right is missing, and a warning has said so
		return nil, nil
	}
	d, err := s.streamProjectXML(ctx, q)
	if s.from.fresh != nil {
		a := &answer{}
		if err == nil {
			a.body, err = json.Marshal(d)
		}
		s.from.fresh.keep(callXML, a, err)
	}
	return d, err
}

func (s *Source) streamProjectXML(ctx context.Context, q question) (*design, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	var body params
	for _, kv := range [][2]string{{"token", token}, {"content", q.content}, {"returnFormat", "json"}, {"returnMetadataOnly", "true"}} {
		body.add(kv[0], kv[1])
	}
	var d *design
	err = s.cfg.Client.Do(ctx, upstream.Request{Resource: q.resource, Body: body.text, MaxBody: xmlBytes}, func(r *upstream.Response) error {
		var err error
		d, err = parseProjectXML(r.Body)
		return err
	})
	if err != nil {
		return nil, s.explain(q, err)
	}
	return d, nil
}

// parseProjectXML reads an ODM document as it comes in. It looks at the document's global variables only, and reads past
// the dictionary.
func parseProjectXML(r io.Reader) (*design, error) {
	body := &headed{from: r}
	head, err := body.head()
	if err != nil {
		return nil, err
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
	if !bytes.HasPrefix(start, []byte("<?xml")) && !bytes.HasPrefix(start, []byte("<ODM")) {
		if _, fault := checkBody(head); fault != nil {
			return nil, retryBlank(fault)
		}
		return nil, errorText(head, errWrongAnswer)
	}
	d := &design{}
	dec := xml.NewDecoder(&legible{from: bufio.NewReader(body.rest(start))})
	dec.Strict = false
	if err := d.read(dec); err != nil {
		return nil, errorText(head, fmt.Errorf("%w: %w", errWrongAnswer, err))
	}
	return d, nil
}

// legible replaces what no XML may hold: labels that were pasted long ago hold bytes that are not UTF-8, and control
// characters.
type legible struct{ from *bufio.Reader }

func (l *legible) Read(p []byte) (int, error) {
	n := 0
	for n+utf8.UTFMax <= len(p) {
		if n > 0 && l.from.Buffered() == 0 {
			return n, nil
		}
		r, _, err := l.from.ReadRune()
		if err != nil {
			if n > 0 {
				return n, nil // the error comes again
			}
			return 0, err
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		n += utf8.EncodeRune(p[n:], r)
	}
	return n, nil
}

var errNoODM = errors.New("the document is no project XML")

func (d *design) read(dec *xml.Decoder) error {
	depth := 0
	for {
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) && depth == 0 {
			return errNoODM
		}
		if err != nil {
			return xmlError(err, dec)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > xmlDepth || depth == 1 && t.Name.Local != "ODM" {
				return errNoODM
			}
			switch t.Name.Local {
			case "Surveys":
				d.addSurvey(t)
			case "Reports":
				d.addReport(t)
			case "MissingDataCodes":
				text, err := textOf(dec)
				if err != nil {
					return err
				}
				d.Missing, depth = &text, depth-1
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return nil
			}
		}
	}
}

// textOf reads the text of an element that was begun, to its end.
func textOf(dec *xml.Decoder) (string, error) {
	var text strings.Builder
	for depth := 1; ; {
		token, err := dec.RawToken()
		if err != nil {
			return "", xmlError(err, dec)
		}
		switch t := token.(type) {
		case xml.CharData:
			if text.Len()+len(t) > 1<<20 {
				return "", errNoODM
			}
			text.Write(t)
		case xml.StartElement:
			if depth++; depth > xmlDepth {
				return "", errNoODM
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return text.String(), nil
			}
		}
	}
}

// xmlError drops the decoder's own words, which may quote the input.
func xmlError(err error, dec *xml.Decoder) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.As(err, &syntax):
		return fmt.Errorf("not XML at byte %d", dec.InputOffset())
	}
	return err
}

func attributesOf(t xml.StartElement) map[string]string {
	m := make(map[string]string, len(t.Attr))
	for _, a := range t.Attr {
		m[a.Name.Local] = a.Value
	}
	return m
}

func (d *design) addSurvey(t xml.StartElement) {
	if form := attributesOf(t)["form_name"]; form != "" {
		d.Surveys = append(d.Surveys, form)
	}
}

func (d *design) addReport(t xml.StartElement) {
	a := attributesOf(t)
	r := reportInfo{
		Unique: a["unique_report_name"], Title: a["title"], Order: a["report_order"], Fields: a["redcap_reports_fields"], Logic: a["advanced_logic"],
	}
	for _, name := range [...]string{"report_id", "ID"} { // recorded ones hold a hash, which is no id
		if id := a[name]; r.ID == "" && onlyDigits(id) {
			r.ID = id
		}
	}
	if r.Unique == "" {
		r.Unique = a["ID"]
	}
	if r.Unique != "" {
		d.Reports = append(d.Reports, r)
	}
}

func onlyDigits(s string) bool {
	return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// isSurvey tells whether an instrument is a survey: "1", "0", or empty where it is not known.
func (p *snapshot) isSurvey(form string) string {
	switch {
	case p.info["surveys_enabled"] == "0":
		return "0"
	case p.design == nil:
		return ""
	}
	for _, name := range p.design.Surveys {
		if name == form {
			return "1"
		}
	}
	return "0"
}

// surveys lists the instruments that are surveys: by the project XML, else by the export, which has a time of completion of
// each.
func (p *snapshot) surveys() []string {
	var list []string
	for _, in := range p.instruments {
		known := p.isSurvey(in.name)
		if known == "1" || known == "" && p.headerIndex(in.name+"_timestamp") >= 0 && !p.isField(in.name+"_timestamp") {
			list = append(list, in.name)
		}
	}
	return list
}

// reportTable describes what the project XML tells of reports.
func reportTable() *extract.Table {
	return metaTableOf("redcap_report", "Reports as the project XML has them, which tells no numeric id on most servers",
		metaColumn{"*unique_report_name", txt}, metaColumn{"report_id", num}, metaColumn{"title", txt}, metaColumn{"report_order", num},
		metaColumn{"fields", txt}, metaColumn{"advanced_logic", txt})
}
