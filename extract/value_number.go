package extract

import "math"

// Limits of numeric. A column that declares no precision takes 131,072 digits before the point and 16,383 after it.
const (
	numericWhole = 131_072
	numericScale = 16_383
	// numericPower bounds what an exponent may ask for: a handful of bytes must not become a cell of 128 KiB.
	// It is the range of a double, which is where such values come from.
	numericPower = 308
)

// AppendSmallint appends an integer of 16 bits; signs, also plus, and leading zeros are understood.
func AppendSmallint(dst, src []byte) ([]byte, error) {
	return appendInteger(dst, src, math.MaxInt16, RuleSmallRange)
}

// AppendInteger appends an integer of 32 bits, as AppendSmallint does.
func AppendInteger(dst, src []byte) ([]byte, error) {
	return appendInteger(dst, src, math.MaxInt32, RuleIntRange)
}

// AppendBigint appends an integer of 64 bits, as AppendSmallint does.
func AppendBigint(dst, src []byte) ([]byte, error) {
	return appendInteger(dst, src, math.MaxInt64, RuleBigRange)
}

func appendInteger(dst, src []byte, limit uint64, outside error) ([]byte, error) {
	minus, digits := sign(src)
	if len(digits) == 0 || !allDigits(digits) {
		return dst, RuleInteger
	}
	digits = noZeros(digits)
	if minus {
		limit++
	}
	var n uint64
	for i, c := range digits {
		n = n*10 + uint64(c-'0') // 19 digits fit 64 bits
		if i == 19 || n > limit {
			return dst, outside
		}
	}
	if n == 0 {
		return append(dst, '0'), nil
	}
	if minus {
		dst = append(dst, '-')
	}
	return append(dst, digits...), nil
}

// AppendNumeric appends a decimal number: digits as given, without exponent, plus sign or leading zeros. An
// exponent moves the point and takes decimals away or adds them as Postgres does: 1.50e1 is 15.0.
func AppendNumeric(dst, src []byte) ([]byte, error) {
	minus, unsigned := sign(src)
	whole := leadingDigits(unsigned)
	rest := unsigned[len(whole):]
	var frac []byte
	if len(rest) > 0 && rest[0] == '.' {
		frac = leadingDigits(rest[1:])
		rest = rest[1+len(frac):]
	}
	if len(whole)+len(frac) == 0 {
		return dst, RuleNumber
	}
	power, err := exponent(rest)
	if err != nil {
		return dst, err
	}
	scale := max(0, len(frac)-power)
	digits := number{whole, frac}
	first := digits.first()
	zero := first == digits.len()
	point := len(whole) + power // digits before the point, counted from the first of whole
	if scale > numericScale || !zero && point-first > numericWhole {
		return dst, RuleNumberRange
	}
	if zero {
		point = 0
	}
	if minus && !zero {
		dst = append(dst, '-')
	}
	if power == 0 && first < len(whole) && len(frac) > 0 {
		return append(dst, unsigned[first:len(whole)+1+len(frac)]...), nil // as most numbers are written
	}
	return digits.append(dst, first, point, scale), nil
}

// number is the digits of a decimal number, before and after its point.
type number struct{ whole, frac []byte }

func (n number) len() int { return len(n.whole) + len(n.frac) }

// first returns the index of the first digit that is not 0.
func (n number) first() int {
	if rest := noZeros(n.whole); len(rest) > 0 {
		return len(n.whole) - len(rest)
	}
	return n.len() - len(noZeros(n.frac))
}

// append writes the number with its point before digit point and scale decimals.
func (n number) append(dst []byte, first, point, scale int) []byte {
	if first >= point {
		dst = append(dst, '0')
	} else {
		dst = n.appendDigits(dst, first, point)
	}
	if scale == 0 {
		return dst
	}
	return n.appendDigits(append(dst, '.'), point, point+scale)
}

// appendDigits writes digits from to to, and 0 for those that were not written.
func (n number) appendDigits(dst []byte, from, to int) []byte {
	for ; from < min(0, to); from++ {
		dst = append(dst, '0')
	}
	if end := min(to, len(n.whole)); from < end {
		dst = append(dst, n.whole[from:end]...)
		from = end
	}
	if end := min(to, n.len()); from < end {
		dst = append(dst, n.frac[from-len(n.whole):end-len(n.whole)]...)
		from = end
	}
	for ; from < to; from++ {
		dst = append(dst, '0')
	}
	return dst
}

// exponent reads e or E, a sign and digits, or nothing.
func exponent(src []byte) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	if src[0] != 'e' && src[0] != 'E' {
		return 0, RuleNumber
	}
	minus, digits := sign(src[1:])
	if len(digits) == 0 || !allDigits(digits) {
		return 0, RuleNumber
	}
	n := 0
	for _, c := range noZeros(digits) {
		if n = n*10 + int(c-'0'); n > numericPower {
			return 0, RuleNumberRange
		}
	}
	if minus {
		n = -n
	}
	return n, nil
}

func sign(src []byte) (minus bool, rest []byte) {
	if len(src) > 0 && (src[0] == '-' || src[0] == '+') {
		return src[0] == '-', src[1:]
	}
	return false, src
}

func leadingDigits(src []byte) []byte {
	n := 0
	for n < len(src) && digit(src[n]) {
		n++
	}
	return src[:n]
}

func allDigits(src []byte) bool { return len(leadingDigits(src)) == len(src) }

// noZeros drops leading zeros.
func noZeros(digits []byte) []byte {
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}
