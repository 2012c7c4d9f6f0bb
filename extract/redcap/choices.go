package redcap

import "strings"

// choice is one option of a field, or one missing-data code of a project.
type choice struct{ code, label string }

// parseChoices reads "code, label | code, label": segments are cut at every bar, trimmed, and cut at their first
// comma, so that a label may hold commas. A segment without a comma is its own label; an empty one is dropped.
// What cannot be told apart by this grammar (a bar inside a label) REDCap cannot tell apart either.
func parseChoices(text string) []choice {
	var list []choice
	for segment := range strings.SplitSeq(text, "|") {
		segment = strings.TrimSpace(segment)
		if segment == "" {
			continue
		}
		code, label, found := strings.Cut(segment, ",")
		if !found {
			label = code
		}
		list = append(list, choice{strings.TrimSpace(code), strings.TrimSpace(label)})
	}
	return list
}

// parseMissingCodes reads a project's missing-data codes, which have the grammar of choices and may also stand one
// on a line.
func parseMissingCodes(text string) []choice {
	return parseChoices(strings.ReplaceAll(text, "\n", "|"))
}

// spell returns the column that REDCap makes of a checkbox option: lower case, everything but a-z, 0-9 and _
// replaced by _. It is the fallback for servers that do not tell; several codes may share a spelling.
func spell(field, code string) string {
	var b strings.Builder
	b.WriteString(field)
	b.WriteString("___")
	for _, r := range strings.ToLower(code) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// options returns the choices of a field of any type that has some. Those of yes/no and true/false fields are the
// server's own and stand in no dictionary.
func (f *field) options() []choice {
	switch f.kind() {
	case "radio", "dropdown", "checkbox":
		if ontology(f.choices()) {
			return nil
		}
		return parseChoices(f.choices())
	case "yesno":
		return []choice{{"1", "Yes"}, {"0", "No"}}
	case "truefalse":
		return []choice{{"1", "True"}, {"0", "False"}}
	}
	return nil
}

// ontology reports whether the choices name a service that is asked for them, not the choices themselves.
func ontology(choices string) bool {
	service, _, found := strings.Cut(choices, ":")
	return found && service != "" && service == strings.ToUpper(service) && !strings.ContainsAny(service, " ,|")
}
