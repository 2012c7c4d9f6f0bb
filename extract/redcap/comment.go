package redcap

import (
	"html"
	"strings"
)

// plainLabel takes HTML out of a label or note and folds white space, so that it reads in one line of psql.
func plainLabel(label string) string {
	if strings.ContainsAny(label, "<&") {
		label = html.UnescapeString(stripTags(label))
	}
	return strings.Join(strings.Fields(label), " ")
}

// stripTags removes what looks like a tag. A '<' that no letter, slash or exclamation mark follows is arithmetic.
func stripTags(s string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '<')
		if at < 0 || at+1 == len(s) {
			break
		}
		c := s[at+1]
		end := strings.IndexByte(s[at:], '>')
		if end < 0 || c != '/' && c != '!' && (c|0x20 < 'a' || c|0x20 > 'z') {
			b.WriteString(s[:at+1])
			s = s[at+1:]
			continue
		}
		b.WriteString(s[:at])
		b.WriteByte(' ')
		s = s[at+end+1:]
	}
	b.WriteString(s)
	return b.String()
}

// comment says of a field what the dictionary says, one thing a line.
func (f *field) comment(label string) string {
	lines := []string{label}
	add := func(title, text string) {
		if text != "" {
			lines = append(lines, title+": "+text)
		}
	}
	switch f.kind() {
	case "radio", "dropdown", "checkbox", "slider":
		add("Choices", plainLabel(f.choices()))
	case "calc":
		add("Calculation", strings.Join(strings.Fields(f.choices()), " "))
	}
	add("Note", plainLabel(f.text[attrNote]))
	add("Validation", f.rule())
	if f.identifier() {
		lines = append(lines, "Identifier")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// rule words a field's validation and its soft bounds.
func (f *field) rule() string {
	if f.kind() != "text" && f.kind() != "slider" {
		return ""
	}
	words := []string{}
	if f.kind() == "text" && f.validation() != "" {
		words = append(words, f.validation())
	}
	if lo := f.text[attrMin]; lo != "" {
		words = append(words, "from "+lo)
	}
	if hi := f.text[attrMax]; hi != "" {
		words = append(words, "to "+hi)
	}
	return strings.Join(words, " ")
}
