package redcap

import (
	"bytes"
	"strconv"
	"strings"

	"syncd/extract"
)

// typeOf derives a field's Postgres type from the dictionary alone, never from its data (reference 5). A checkbox is
// not asked for here: each of its options is a boolean column.
func typeOf(f *field) extract.Type {
	switch f.kind() {
	case "yesno", "truefalse":
		return extract.Boolean
	case "slider":
		if strings.Contains(f.text[attrMin], ".") || strings.Contains(f.text[attrMax], ".") {
			return extract.Numeric
		}
		return extract.Integer
	case "calc":
		return calcType(f)
	case "radio", "dropdown":
		return codeType(f)
	case "text":
		return validatedType(f)
	}
	return extract.Text
}

func calcType(f *field) extract.Type {
	switch {
	case f.tagged("@CALCTEXT"):
		return extract.Text
	case f.tagged("@CALCDATE") && strings.HasPrefix(f.validation(), "datetime"):
		return extract.Timestamp
	case f.tagged("@CALCDATE"):
		return extract.Date
	}
	return extract.Numeric
}

// codeType is integer where every code of the dictionary reads back as it was written, so that no two codes become
// one and none changes its looks.
func codeType(f *field) extract.Type {
	options := f.options()
	if len(options) == 0 {
		return extract.Text
	}
	for _, o := range options {
		n, err := strconv.ParseInt(o.code, 10, 32)
		if err != nil || strconv.FormatInt(n, 10) != o.code {
			return extract.Text
		}
	}
	return extract.Integer
}

func validatedType(f *field) extract.Type {
	switch v := f.validation(); {
	case v == "integer":
		if fitsInteger(f.text[attrMin]) && fitsInteger(f.text[attrMax]) {
			return extract.Integer
		}
		return extract.Bigint
	case v == "number" || strings.HasPrefix(v, "number_"):
		return extract.Numeric
	case strings.HasPrefix(v, "date_"):
		return extract.Date
	case strings.HasPrefix(v, "datetime_"):
		return extract.Timestamp
	case v == "time" || v == "time_hh_mm_ss":
		return extract.Time
	case v == "time_mm_ss":
		return extract.Interval
	}
	return extract.Text
}

// fitsInteger reports whether a bound of the dictionary proves that values lie within 32 bits.
func fitsInteger(bound string) bool {
	_, err := strconv.ParseInt(strings.TrimSpace(bound), 10, 32)
	return err == nil
}

// encoder appends the canonical text of a cell to dst, or refuses the cell by a rule.
type encoder func(dst, src []byte) ([]byte, error)

// encoderOf resolves a type once per column, so that the hot path does not dispatch.
func encoderOf(t extract.Type, f *field) encoder {
	switch t {
	case extract.Text:
		return extract.AppendText
	case extract.Boolean:
		return extract.AppendBoolean
	case extract.Smallint:
		return extract.AppendSmallint
	case extract.Integer:
		return extract.AppendInteger
	case extract.Bigint:
		return extract.AppendBigint
	case extract.Numeric:
		if f != nil && strings.HasSuffix(f.validation(), "comma_decimal") {
			return appendCommaNumeric
		}
		return extract.AppendNumeric
	case extract.Date:
		return extract.AppendDate
	case extract.Time:
		return extract.AppendTime
	case extract.Timestamp:
		return extract.AppendTimestamp
	case extract.Interval:
		return extract.AppendInterval
	}
	return func(dst, src []byte) ([]byte, error) { return extract.Append(dst, t, src) }
}

// appendCommaNumeric reads a number whose decimal sign may be a comma. A point is asked for in every request, but a
// server that does not know the parameter sends what the field's validation says.
func appendCommaNumeric(dst, src []byte) ([]byte, error) {
	if at := bytes.IndexByte(src, ','); at >= 0 && bytes.IndexByte(src, '.') < 0 {
		var small [64]byte
		text := append(small[:0], src...)
		text[at] = '.'
		return extract.AppendNumeric(dst, text)
	}
	return extract.AppendNumeric(dst, src)
}
