package extract

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"
)

// Rule is the reason why a text does not fit a type, in words. It is a constant: the value that broke it is
// never part of it, so that it may stand in a log, a reject and a verdict.
type Rule string

// Error returns the rule.
func (r Rule) Error() string { return string(r) }

// The rules of the encoders.
const (
	RuleUTF8        Rule = "not valid UTF-8"
	RuleNUL         Rule = "holds a NUL character"
	RuleBoolean     Rule = "not a truth value (1 or 0)"
	RuleInteger     Rule = "not an integer"
	RuleSmallRange  Rule = "out of range for smallint"
	RuleIntRange    Rule = "out of range for integer"
	RuleBigRange    Rule = "out of range for bigint"
	RuleNumber      Rule = "not a number"
	RuleNumberRange Rule = "out of range for numeric"
	RuleDate        Rule = "not a date (Y-M-D)"
	RuleTime        Rule = "not a time of day (HH:MM or HH:MM:SS, 24 hours)"
	RuleTimestamp   Rule = "not a date and time (Y-M-D HH:MM or Y-M-D HH:MM:SS)"
	RuleTimestamptz Rule = "not a date and time with its zone (Y-M-D HH:MM:SS+HH:MM)"
	RuleInterval    Rule = "not minutes and seconds (MM:SS)"
	RuleUUID        Rule = "not a UUID"
	RuleJSON        Rule = "not valid JSON"
	RuleBytea       Rule = "not bytes in hexadecimal"
	RuleType        Rule = "of a type that has no encoder"
)

// Append appends the canonical text of src, a value as a source spells it, to dst: the text that Postgres prints
// for it once it is stored as t. Where src is not such a value it returns dst as it was and a Rule.
//
// Whatever it accepts Postgres accepts, and canonical text is accepted and stays as it is. It refuses more than
// Postgres does: a value that Postgres would guess at (31/12/2020, yesterday, NaN) is not one.
func Append(dst []byte, t Type, src []byte) ([]byte, error) {
	switch t {
	case Text:
		return AppendText(dst, src)
	case Boolean:
		return AppendBoolean(dst, src)
	case Smallint:
		return AppendSmallint(dst, src)
	case Integer:
		return AppendInteger(dst, src)
	case Bigint:
		return AppendBigint(dst, src)
	case Numeric:
		return AppendNumeric(dst, src)
	case Date:
		return AppendDate(dst, src)
	case Time:
		return AppendTime(dst, src)
	case Timestamp:
		return AppendTimestamp(dst, src)
	case Timestamptz:
		return AppendTimestamptz(dst, src)
	case Interval:
		return AppendInterval(dst, src)
	case UUID:
		return AppendUUID(dst, src)
	case JSONB:
		return AppendJSON(dst, src)
	case Bytea:
		return AppendHex(dst, src)
	}
	return dst, RuleType
}

// AppendText appends any UTF-8 without NUL as it is.
func AppendText(dst, src []byte) ([]byte, error) {
	if bytes.IndexByte(src, 0) >= 0 {
		return dst, RuleNUL
	}
	if !utf8.Valid(src) {
		return dst, RuleUTF8
	}
	return append(dst, src...), nil
}

// AppendBoolean appends t for 1, t and true, f for 0, f and false.
func AppendBoolean(dst, src []byte) ([]byte, error) {
	switch string(src) {
	case "1", "t", "true":
		return append(dst, 't'), nil
	case "0", "f", "false":
		return append(dst, 'f'), nil
	}
	return dst, RuleBoolean
}

// AppendUUID appends a UUID of 36 characters, or of 32 without hyphens, in lower case with hyphens.
func AppendUUID(dst, src []byte) ([]byte, error) {
	var raw [16]byte
	at := 0
	for i := 0; i < len(src); {
		if hyphen := len(src) == 36 && (i == 8 || i == 13 || i == 18 || i == 23); hyphen {
			if src[i] != '-' {
				return dst, RuleUUID
			}
			i++
			continue
		}
		if i+1 >= len(src) || at == len(raw) {
			return dst, RuleUUID
		}
		hi, lo := unhex(src[i]), unhex(src[i+1])
		if hi > 15 || lo > 15 {
			return dst, RuleUUID
		}
		raw[at] = hi<<4 | lo
		at++
		i += 2
	}
	if at != len(raw) || len(src) != 32 && len(src) != 36 {
		return dst, RuleUUID
	}
	for i, b := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst, nil
}

// AppendBytea appends raw bytes as \x and hexadecimal digits; any bytes will do.
func AppendBytea(dst, raw []byte) []byte {
	return hex.AppendEncode(append(dst, '\\', 'x'), raw)
}

// AppendHex appends bytes that src spells as \x and hexadecimal digits of either case.
func AppendHex(dst, src []byte) ([]byte, error) {
	if len(src) < 2 || src[0] != '\\' || src[1] != 'x' || len(src)%2 != 0 {
		return dst, RuleBytea
	}
	n := len(dst)
	dst = append(dst, '\\', 'x')
	for _, c := range src[2:] {
		d := unhex(c)
		if d > 15 {
			return dst[:n], RuleBytea
		}
		dst = append(dst, hexDigits[d])
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// unhex returns the value of a hexadecimal digit, and 255 for anything else.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
