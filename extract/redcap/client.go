package redcap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
	"syncd/extract/upstream"
)

// params is the body of a call, in the order in which it is sent.
type params struct {
	text []byte
}

func (p *params) add(name, value string) {
	if len(p.text) > 0 {
		p.text = append(p.text, '&')
	}
	p.text = append(p.text, url.QueryEscape(name)...)
	p.text = append(p.text, '=')
	p.text = append(p.text, url.QueryEscape(value)...)
}

// list adds an indexed array: joining by commas breaks names that hold commas (reference 1).
func (p *params) list(name string, values []string) {
	for i, v := range values {
		p.add(name+"["+strconv.Itoa(i)+"]", v)
	}
}

// question is one call of the API.
type question struct {
	what     string // verb noun: "export records"
	resource string // for errors and logs: "record, 25 ids"
	content  string
	format   string // json where empty; "text" sends none
	extra    func(*params)
	maxBody  int64
	tries    int
}

// answer is the body of a call, checked as far as its kind allows.
type answer struct {
	body   []byte
	framed bool
}

// ask sends a call and returns its body after checkBody. buf is reused where it is not nil.
func (s *Source) ask(ctx context.Context, q question, buf *bytes.Buffer) (*answer, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	if buf == nil {
		buf = new(bytes.Buffer)
	}
	if q.format == "" {
		q.format = "json"
	}
	var p params
	p.add("token", token)
	p.add("content", q.content)
	if q.format != "text" {
		p.add("format", q.format)
	}
	p.add("returnFormat", "json")
	if q.extra != nil {
		q.extra(&p)
	}
	a := &answer{}
	request := upstream.Request{Resource: q.resource, Body: p.text, MaxBody: q.maxBody, Tries: q.tries}
	err = s.cfg.Client.Do(ctx, request, func(r *upstream.Response) error {
		buf.Reset()
		a.framed = r.Framed
		if _, err := buf.ReadFrom(r.Body); err != nil {
			return err
		}
		if q.format != "csv" && len(bytes.TrimSpace(buf.Bytes())) == 0 { // a busy server (reference 2.4)
			return upstream.Retry(&extract.Error{Kind: extract.KindGarbled, Cause: errBlank})
		}
		r.Outage = outage(buf.Bytes())
		return nil
	})
	if err != nil {
		return nil, s.explain(q, err)
	}
	body, fault := checkBody(buf.Bytes())
	if fault != nil && !(fault.Cause == errBlank && q.format == "csv") {
		return nil, s.explain(q, fault)
	}
	a.body = body
	return a, nil
}

// explain completes an error of a call with what was tried and where, and judges a refusal that nobody judged yet.
func (s *Source) explain(q question, err error) error {
	var e *extract.Error
	if !errors.As(err, &e) {
		return err
	}
	var refusal *upstream.Refusal
	var known *judged
	if errors.As(err, &refusal) && !errors.As(err, &known) {
		if j := Judge(refusal); j != nil {
			e.Kind, e.Cause, e.Next = j.Kind, j.Cause, j.Next
		}
	}
	e.What = q.what
	if e.Where == "" {
		e.Where = fmt.Sprintf("%s %s", s.cfg.Server, q.resource)
	}
	return e
}

// tokenShape is a token of a project. One of 64 digits creates projects and can read none.
var tokenShape = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

// token reads the job's token anew, so that a replaced one counts from the next request on.
func (s *Source) token(ctx context.Context) (string, error) {
	token, err := s.cfg.Token(ctx)
	if err != nil {
		var e *extract.Error
		if errors.As(err, &e) {
			return "", err
		}
		return "", &extract.Error{Kind: extract.KindConfig, What: "read token", Where: s.cfg.Job, Cause: err}
	}
	token, err = checkToken(token)
	if e := (*extract.Error)(nil); errors.As(err, &e) {
		e.Where = s.cfg.Job
	}
	return token, err
}

// checkToken takes the space off a token and says what is wrong with what looks like none.
func checkToken(token string) (string, error) {
	token = strings.TrimSpace(token)
	if tokenShape.MatchString(token) {
		return token, nil
	}
	cause := fmt.Errorf("a token is 32 hexadecimal digits; this has %d characters", len(token))
	if len(token) == 64 {
		cause = errors.New("this is a super token of 64 digits, which creates projects and cannot read one")
	}
	return "", &extract.Error{Kind: extract.KindConfig, What: "read token", Cause: cause, Next: "Copy the project's own token from its API page in REDCap."}
}

// objects asks for a list of flat objects in JSON. Each must have one of the names: a list of nothing in particular is
// no answer, and is not taken for one that has become short.
func (s *Source) objects(ctx context.Context, content string, yield func(map[string]string) error, names ...string) error {
	q := question{what: "export " + content, resource: content, content: content}
	a, err := s.inquire(ctx, content, q)
	if err != nil {
		return err
	}
	err = eachObject(a.body, func(o map[string]string) error {
		if !slices.ContainsFunc(names, func(name string) bool { return o[name] != "" }) {
			return errors.New("an entry without a name")
		}
		return yield(o)
	})
	if err != nil {
		return s.explain(q, s.notData(a.body, err))
	}
	return nil
}

// notData says that a body which should have been JSON is not.
func (s *Source) notData(body []byte, cause error) *extract.Error {
	return errorText(body, fmt.Errorf("%w: %w", errWrongAnswer, cause))
}
