package redcap

// The matchers of the rules: each says of a text what the rule's pattern says, on the way of every row. A fuzz test holds
// them against their patterns.

// scanner is what is left of a text. Its methods take what they ask for from the front and say whether it was there.
type scanner []byte

func (s *scanner) byte(c byte) bool {
	if len(*s) == 0 || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// any takes one byte of a class.
func (s *scanner) any(c class) bool {
	if len(*s) == 0 || classes[(*s)[0]]&c == 0 {
		return false
	}
	*s = (*s)[1:]
	return true
}

// run takes bytes of a class for as long as there are some and tells how many.
func (s *scanner) run(c class) int {
	n := 0
	for n < len(*s) && classes[(*s)[n]]&c != 0 {
		n++
	}
	*s = (*s)[n:]
	return n
}

// digits takes exactly n digits, and nothing where there are fewer.
func (s *scanner) digits(n int) bool {
	if len(*s) < n {
		return false
	}
	for _, c := range (*s)[:n] {
		if !isDigit(c) {
			return false
		}
	}
	*s = (*s)[n:]
	return true
}

// word takes a text.
func (s *scanner) word(w string) bool {
	if len(*s) < len(w) || string((*s)[:len(w)]) != w {
		return false
	}
	*s = (*s)[len(w):]
	return true
}

func (s *scanner) end() bool { return len(*s) == 0 }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// class is a set of kinds of bytes.
type class uint16

// The kinds of bytes.
const (
	aDigit class = 1 << iota
	aLetter
	aZero
	upToFive
	twoToEight
	aDistrict // letters with which a Canadian postal code begins
	aBlank
	aPoint
	aDash
	aComma
	aColon
	aBracket
	anUnderscore
	aSign // what else may stand in front of the @ of an address
)

// classes tells of each byte which kinds it is of.
var classes = classify()

func classify() (of [256]class) {
	mark := func(c class, bytes string) {
		for i := range len(bytes) {
			of[bytes[i]] |= c
		}
	}
	mark(aDigit, "0123456789")
	mark(aLetter, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	mark(aZero, "0")
	mark(upToFive, "012345")
	mark(twoToEight, "2345678")
	mark(aDistrict, "abceghjklmnprstvxyABCEGHJKLMNPRSTVXY")
	mark(aBlank, " ")
	mark(aPoint, ".")
	mark(aDash, "-")
	mark(aComma, ",")
	mark(aColon, ":")
	mark(aBracket, "()")
	mark(anUnderscore, "_")
	mark(aSign, "!#$%&'*+/=?^`{|}~")
	return of
}

func isStatus(b []byte) bool { return len(b) == 1 && b[0] >= '0' && b[0] <= '2' }

// clock takes an hour and a minute, and :00 after them.
func (s *scanner) clock() bool {
	hour := 0
	n := 0
	for n < 2 && n < len(*s) && isDigit((*s)[n]) {
		hour = hour*10 + int((*s)[n]-'0')
		n++
	}
	if n == 0 || hour > 23 {
		return false
	}
	*s = (*s)[n:]
	if !s.byte(':') || !s.any(upToFive) || !s.digits(1) {
		return false
	}
	return s.end() || s.word(":00") && s.end()
}

func isHourMinute(b []byte) bool {
	s := scanner(b)
	return s.clock()
}

func isDateHourMinute(b []byte) bool {
	s := scanner(b)
	return s.digits(4) && s.byte('-') && s.digits(2) && s.byte('-') && s.digits(2) && (s.byte(' ') || s.byte('T')) && s.clock()
}

func isMinuteSecond(b []byte) bool {
	s := scanner(b)
	if len(b) > 5 && !s.word("00:") {
		return false
	}
	return s.any(upToFive) && s.digits(1) && s.byte(':') && s.any(upToFive) && s.digits(1) && s.end()
}

func hasDecimals(b []byte, n int) bool {
	s := scanner(b)
	_ = s.byte('-') || s.byte('+')
	return s.run(aDigit) > 0 && (s.byte('.') || s.byte(',')) && s.digits(n) && s.end()
}

func isEmail(b []byte) bool {
	s := scanner(b)
	for {
		if s.run(aDigit|aLetter|aDash|anUnderscore|aSign) == 0 {
			return false
		}
		if !s.byte('.') {
			break
		}
	}
	if !s.byte('@') {
		return false
	}
	for labels := 1; ; labels++ {
		from := s
		n := s.run(aDigit | aLetter | aDash)
		if n == 0 || from[0] == '-' || from[n-1] == '-' {
			return false
		}
		if s.end() {
			return labels > 1 && n > 1 && classes[from[0]]&aLetter != 0
		}
		if !s.byte('.') {
			return false
		}
	}
}

func isZIP(b []byte) bool {
	s := scanner(b)
	if !s.digits(5) {
		return false
	}
	if s.end() {
		return true
	}
	s.byte('-')
	return s.digits(4) && s.end()
}

// isPhone reads ten digits with or without the 1 of the country in front of them and an extension behind them.
func isPhone(b []byte) bool {
	s := scanner(b)
	if s.tenDigits() {
		return true
	}
	s = scanner(b)
	s.byte('+')
	if !s.byte('1') {
		return false
	}
	s.run(aBlank | aPoint | aDash)
	return s.tenDigits()
}

func (s *scanner) tenDigits() bool {
	if s.byte('(') {
		if !s.digits(3) || !s.byte(')') {
			return false
		}
	} else if !s.digits(3) {
		return false
	}
	s.run(aBlank | aPoint | aDash)
	if !s.digits(3) {
		return false
	}
	s.run(aBlank | aPoint | aDash)
	if !s.digits(4) {
		return false
	}
	if s.end() {
		return true
	}
	s.run(aBlank | aComma)
	if !(s.byte('x') || s.byte('X') || s.byte('#') || s.word("extension") || s.word("ext") || s.word("Ext") || s.word("EXT")) {
		return false
	}
	s.run(aBlank | aPoint | aColon)
	return s.run(aDigit) > 0 && s.end()
}

func isPhoneAustralia(b []byte) bool {
	s := scanner(b)
	open := s.byte('(')
	if !s.byte('0') || !s.any(twoToEight) || open && !s.byte(')') {
		return false
	}
	s.run(aBlank)
	if !s.digits(4) {
		return false
	}
	s.run(aBlank)
	return s.digits(4) && s.end()
}

func isPhoneUK(b []byte) bool {
	s := scanner(b)
	if !s.word("+44") {
		s.byte('(')
		return s.byte('0') && s.spreadDigits()
	}
	if whole := s; whole.spreadDigits() {
		return true
	}
	s.run(aBlank)
	return s.word("(0)") && s.spreadDigits()
}

// spreadDigits takes nine or ten digits with gaps between them, up to the end.
func (s *scanner) spreadDigits() bool {
	n := 0
	for !s.end() {
		s.run(aBlank | aBracket | aDash)
		if !s.any(aDigit) {
			return false
		}
		n++
	}
	return n == 9 || n == 10
}

func isPostalAustralia(b []byte) bool {
	s := scanner(b)
	return s.digits(4) && s.end()
}

func isPostalCanada(b []byte) bool {
	s := scanner(b)
	if !s.any(aDistrict) || !s.digits(1) || !s.any(aLetter) {
		return false
	}
	s.run(aBlank)
	return s.digits(1) && s.any(aLetter) && s.digits(1) && s.end()
}

func isPostalFrench(b []byte) bool {
	s := scanner(b)
	return s.digits(5) && s.end() && string(b[:2]) != "00" && string(b[:2]) != "99"
}

func isPostalGermany(b []byte) bool {
	s := scanner(b)
	return s.digits(5) && s.end() && string(b[:2]) != "00"
}

func isPostalUK(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	in := scanner(b[len(b)-3:])
	if !in.digits(1) || !in.any(aLetter) || !in.any(aLetter) {
		return false
	}
	s := scanner(b[:len(b)-3])
	if !s.any(aLetter) {
		return false
	}
	s.any(aLetter)
	if !s.digits(1) {
		return false
	}
	s.any(aDigit | aLetter)
	s.run(aBlank)
	return s.end()
}

func isSSN(b []byte) bool {
	s := scanner(b)
	return s.digits(3) && s.byte('-') && s.digits(2) && s.byte('-') && s.digits(4) && s.end()
}

func isMRN10(b []byte) bool {
	s := scanner(b)
	return s.digits(10) && s.end()
}

func isMRN(b []byte) bool {
	s := scanner(b)
	return s.run(aDigit|aLetter|aDash|anUnderscore) > 0 && s.end()
}

func isVanderbiltMRN(b []byte) bool {
	s := scanner(b)
	s.run(aZero)
	n := s.run(aDigit)
	return n >= 4 && n <= 9 && s.end()
}

func isLetters(b []byte) bool {
	s := scanner(b)
	return s.run(aLetter) > 0 && s.end()
}
