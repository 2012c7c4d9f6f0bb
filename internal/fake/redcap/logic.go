package redcap

import (
	"errors"
	"strconv"
	"strings"
)

// expr is a filter: comparisons of fields and literals joined by and, or, not and parentheses.
type expr interface{}

type (
	logicAnd  struct{ a, b expr }
	logicOr   struct{ a, b expr }
	logicNot  struct{ a expr }
	logicComp struct {
		op   string
		a, b expr
	}
	logicField   struct{ event, name, code string }
	logicLiteral string
)

var errLogic = errors.New("parse filter logic: not understood")

type logicParser struct {
	tokens []string
	at     int
}

// parseLogic reads a filterLogic.
func parseLogic(s string) (expr, error) {
	tokens, err := logicTokens(s)
	if err != nil {
		return nil, err
	}
	p := &logicParser{tokens: tokens}
	e, err := p.or()
	if err == nil && p.at < len(p.tokens) {
		err = errLogic
	}
	return e, err
}

// logicTokens splits: [..] references, quoted strings, operators, words and numbers.
func logicTokens(s string) ([]string, error) {
	var out []string
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
			continue
		case c == '[' || c == '"' || c == '\'':
			end := c
			if c == '[' {
				end = ']'
			}
			n := strings.IndexByte(s[i+1:], end)
			if n < 0 {
				return nil, errLogic
			}
			out = append(out, s[i:i+n+2])
			i += n + 2
		case strings.IndexByte("()=", c) >= 0:
			out = append(out, string(c))
			i++
		case c == '<' || c == '>' || c == '!':
			n := 1
			if i+1 < len(s) && (s[i+1] == '=' || s[i+1] == '>') {
				n = 2
			}
			out = append(out, s[i:i+n])
			i += n
		default:
			n := strings.IndexAny(s[i:], " \n\t\r()=<>![\"'")
			if n < 0 {
				n = len(s) - i
			}
			out = append(out, s[i:i+n])
			i += n
		}
	}
	return out, nil
}

func (p *logicParser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *logicParser) or() (expr, error) {
	a, err := p.and()
	for err == nil && strings.EqualFold(p.peek(), "or") {
		p.at++
		var b expr
		b, err = p.and()
		a = logicOr{a, b}
	}
	return a, err
}

func (p *logicParser) and() (expr, error) {
	a, err := p.comparison()
	for err == nil && strings.EqualFold(p.peek(), "and") {
		p.at++
		var b expr
		b, err = p.comparison()
		a = logicAnd{a, b}
	}
	return a, err
}

func (p *logicParser) comparison() (expr, error) {
	if strings.EqualFold(p.peek(), "not") || p.peek() == "!" {
		p.at++
		a, err := p.comparison()
		return logicNot{a}, err
	}
	if p.peek() == "(" {
		p.at++
		e, err := p.or()
		if err == nil && p.peek() != ")" {
			err = errLogic
		}
		p.at++
		return e, err
	}
	a, err := p.operand()
	if err != nil {
		return nil, err
	}
	op := p.peek()
	switch op {
	case "=", "<>", "!=", "<", ">", "<=", ">=":
		p.at++
	default:
		return nil, errLogic
	}
	b, err := p.operand()
	return logicComp{op, a, b}, err
}

func (p *logicParser) operand() (expr, error) {
	t := p.peek()
	p.at++
	switch {
	case t == "":
		return nil, errLogic
	case t[0] == '[':
		f := logicField{name: t[1 : len(t)-1]}
		if next := p.peek(); next != "" && next[0] == '[' {
			p.at++
			f = logicField{event: f.name, name: next[1 : len(next)-1]}
		}
		if name, code, ok := strings.Cut(f.name, "("); ok {
			f.name, f.code = name, strings.TrimSuffix(code, ")")
		}
		return f, nil
	case t[0] == '"' || t[0] == '\'':
		return logicLiteral(t[1 : len(t)-1]), nil
	}
	if _, err := strconv.ParseFloat(t, 64); err != nil {
		return nil, errLogic
	}
	return logicLiteral(t), nil
}

// fieldsOf lists the fields a filter looks at.
func fieldsOf(e expr) []string {
	switch x := e.(type) {
	case logicAnd:
		return append(fieldsOf(x.a), fieldsOf(x.b)...)
	case logicOr:
		return append(fieldsOf(x.a), fieldsOf(x.b)...)
	case logicNot:
		return fieldsOf(x.a)
	case logicComp:
		return append(fieldsOf(x.a), fieldsOf(x.b)...)
	case logicField:
		return []string{x.name}
	}
	return nil
}

// holds evaluates the filter for one row; fields outside the row's place are blank.
func (x *export) holds(rec *record, e *Event, r *row) bool {
	return x.eval(x.logic, rec, e, r)
}

func (x *export) eval(ex expr, rec *record, e *Event, r *row) bool {
	switch t := ex.(type) {
	case logicAnd:
		return x.eval(t.a, rec, e, r) && x.eval(t.b, rec, e, r)
	case logicOr:
		return x.eval(t.a, rec, e, r) || x.eval(t.b, rec, e, r)
	case logicNot:
		return !x.eval(t.a, rec, e, r)
	case logicComp:
		return compare(t.op, x.operandValue(t.a, rec, e, r), x.operandValue(t.b, rec, e, r))
	}
	return false
}

func (x *export) operandValue(ex expr, rec *record, e *Event, r *row) string {
	f, ok := ex.(logicField)
	if !ok {
		lit, _ := ex.(logicLiteral)
		return string(lit)
	}
	if f.name == x.p.fields[0].Name {
		return rec.id
	}
	if f.event != "" {
		other := x.p.event(f.event)
		if other == nil {
			return ""
		}
		if other.ID != e.ID {
			if r = rec.find(other.ID, "", 0, false); r == nil {
				return ""
			}
		}
	}
	if field := x.p.field(f.name); field != nil {
		if f.code != "" {
			return bit(r.values[field.key+"("+f.code+")"] != "")
		}
		return r.values[field.key]
	}
	if form := x.p.form(strings.TrimSuffix(f.name, "_complete")); form != nil {
		return r.values[form.key+"_complete"]
	}
	return ""
}

// compare compares as numbers where both sides are numbers, else as text.
func compare(op, a, b string) bool {
	n := strings.Compare(a, b)
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		n = 0
		if x < y {
			n = -1
		} else if x > y {
			n = 1
		}
	}
	switch op {
	case "=":
		return n == 0
	case "<>", "!=":
		return n != 0
	case "<":
		return n < 0
	case ">":
		return n > 0
	case "<=":
		return n <= 0
	}
	return n >= 0
}
