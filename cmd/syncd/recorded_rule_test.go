package main

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What has to become of a recorded value.
const (
	cellNull    = "null"
	cellValue   = "value"
	cellMisfit  = "_nonconforming"
	cellMissing = "_missing"
)

// recordedColumn is one column of an export: the field it is of, or which of an instrument's own two columns it is.
type recordedColumn struct {
	form   string
	field  *recordedField // nil: status or survey time
	option bool
	status bool
}

// column finds what a column of the export is.
func (r *recording) column(name string) (recordedColumn, bool) {
	for _, f := range r.fields {
		switch {
		case f.kind() == "checkbox":
			if strings.HasPrefix(name, f.name()+"___") {
				return recordedColumn{form: f.form(), field: f, option: true}, true
			}
		case f.name() == name:
			return recordedColumn{form: f.form(), field: f}, true
		}
	}
	for _, form := range r.forms {
		switch name {
		case form + "_complete":
			return recordedColumn{form: form, status: true}, true
		case form + "_timestamp":
			return recordedColumn{form: form}, true
		}
	}
	return recordedColumn{}, false
}

// pgType is the type that the dictionary asks for.
func (c recordedColumn) pgType() string {
	switch {
	case c.status:
		return "smallint"
	case c.field == nil:
		return "timestamp without time zone"
	case c.option:
		return "boolean"
	}
	f := c.field
	switch f.kind() {
	case "yesno", "truefalse":
		return "boolean"
	case "calc":
		return calcTypeOf(f)
	case "slider":
		if strings.Contains(f[8]+f[9], ".") {
			return "numeric"
		}
		return "integer"
	case "radio", "dropdown":
		if integerCodes(f.choices()) {
			return "integer"
		}
	case "text":
		return validationType(f)
	}
	return "text"
}

func calcTypeOf(f *recordedField) string {
	tags := strings.ToUpper(f[17])
	switch {
	case strings.Contains(tags, "@CALCTEXT"):
		return "text"
	case !strings.Contains(tags, "@CALCDATE"):
		return "numeric"
	case strings.HasPrefix(f.validation(), "datetime"):
		return "timestamp without time zone"
	}
	return "date"
}

func validationType(f *recordedField) string {
	v := f.validation()
	switch {
	case v == "integer":
		if integer32(f[8]) && integer32(f[9]) {
			return "integer"
		}
		return "bigint"
	case strings.HasPrefix(v, "number"):
		return "numeric"
	case strings.HasPrefix(v, "date_"):
		return "date"
	case strings.HasPrefix(v, "datetime_"):
		return "timestamp without time zone"
	case v == "time", v == "time_hh_mm_ss":
		return "time without time zone"
	case v == "time_mm_ss":
		return "interval"
	}
	return "text"
}

func integer32(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}

// integerCodes: every code of the dictionary is a whole number in its one canonical spelling.
func integerCodes(choices string) bool {
	found := false
	for _, segment := range strings.Split(choices, "|") {
		code, _, _ := strings.Cut(segment, ",")
		code = strings.TrimSpace(code)
		if code == "" && strings.TrimSpace(segment) == "" {
			continue
		}
		n, err := strconv.Atoi(code)
		if err != nil || strconv.Itoa(n) != code || !integer32(code) {
			return false
		}
		found = true
	}
	return found
}

// expect says what has to become of a raw cell. For a value, want is what a comparison reads.
func (c recordedColumn) expect(raw string) (want, fate string) {
	switch {
	case raw == "":
		return "", cellNull
	case c.field == nil && !c.status && raw == "[not completed]":
		return raw, cellMissing
	}
	if c.field != nil && strings.HasSuffix(c.field.validation(), "comma_decimal") && !strings.Contains(raw, ".") {
		if w, ok := fitting(c.pgType(), strings.Replace(raw, ",", ".", 1)); ok {
			return w, cellValue
		}
		return raw, cellMisfit
	}
	if w, ok := fitting(c.pgType(), raw); ok {
		return w, cellValue
	}
	return raw, cellMisfit
}

// fitting reads a raw value as a type and returns it in a form that equal values share.
func fitting(pgType, raw string) (string, bool) {
	switch pgType {
	case "text":
		return raw, true
	case "boolean":
		return map[string]string{"1": "true", "0": "false"}[raw], raw == "1" || raw == "0"
	case "smallint", "integer", "bigint":
		bits := map[string]int{"smallint": 16, "integer": 32, "bigint": 64}[pgType]
		n, err := strconv.ParseInt(raw, 10, bits)
		return strconv.FormatInt(n, 10), err == nil
	case "numeric":
		return number(raw)
	case "date":
		return timed("2006-01-02", raw)
	case "timestamp without time zone":
		if s, ok := timed("2006-01-02 15:04", raw); ok {
			return s + ":00", true
		}
		return timed("2006-01-02 15:04:05", raw)
	case "time without time zone":
		if s, ok := timed("15:04", raw); ok {
			return s + ":00", true
		}
		return timed("15:04:05", raw)
	case "interval":
		if s, ok := timed("04:05", raw); ok {
			return "00:" + s, true
		}
		return timed("15:04:05", raw) // hours as well: a client's reading of minutes
	}
	return "", false
}

// number compares by value: 1.50 and 1.5 are equal.
func number(raw string) (string, bool) {
	if !regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`).MatchString(raw) {
		return "", false
	}
	n, ok := new(big.Rat).SetString(raw)
	if !ok {
		return "", false
	}
	return n.RatString(), true
}

func timed(layout, raw string) (string, bool) {
	t, err := time.Parse(layout, raw)
	if err != nil || t.Format(layout) != raw {
		return "", false
	}
	return raw, true
}

// expectedRow is a row that an instrument's table has to have.
type expectedRow struct {
	*recordedRow
	certain bool // else an export cannot tell a form saved as Incomplete from one that nobody opened: both will do
}

type rowKey struct {
	record, event string
	instance      int
}

// expectedRows applies the rule of DESIGN: a row where the status is set, or a field but a calculated one and an
// unticked checkbox is not blank. It returns the rows by instrument, and recorded values that have no place.
func (r *recording) expectedRows() (map[string]map[rowKey]expectedRow, []string) {
	expected, astray := map[string]map[rowKey]expectedRow{}, []string(nil)
	for _, form := range r.forms {
		expected[form] = map[rowKey]expectedRow{}
	}
	for _, row := range r.rows {
		key := rowKey{row.record, row.event, row.instance}
		opened, grey := map[string]bool{}, map[string]bool{}
		for name, raw := range row.cells {
			c, known := r.column(name)
			switch {
			case !known:
				astray = append(astray, "column "+name+" belongs to no instrument")
			case raw == "":
			case row.form != "" && row.form != c.form:
				astray = append(astray, "a row of instrument "+row.form+" has a value of "+name)
			case c.status && raw == "0" && !r.blank:
				grey[c.form] = true
			case c.option && raw == "0", c.field != nil && c.field.computed():
			default:
				opened[c.form] = true
			}
		}
		for form := range opened {
			if other, taken := expected[form][key]; taken && other.certain {
				astray = append(astray, "two rows are the same row of "+form)
			}
			expected[form][key] = expectedRow{row, true}
		}
		for form := range grey {
			if _, taken := expected[form][key]; !taken {
				expected[form][key] = expectedRow{row, false}
			}
		}
	}
	return expected, astray
}
