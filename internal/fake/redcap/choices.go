package redcap

import "strings"

// optionsOf reads the choices of a field: segments between bars, code and label parted by the first comma, a
// segment without a comma being its own label.
func optionsOf(f *Field) []option {
	switch f.Type {
	case "yesno":
		return []option{{"1", "Yes"}, {"0", "No"}}
	case "truefalse":
		return []option{{"1", "True"}, {"0", "False"}}
	case "checkbox", "radio", "dropdown":
	default:
		return nil
	}
	var out []option
	for _, seg := range strings.Split(f.Choices, "|") {
		seg = strings.TrimSpace(seg)
		if seg == "" {
			continue
		}
		code, label, ok := strings.Cut(seg, ",")
		if !ok {
			label = code
		}
		out = append(out, option{strings.TrimSpace(code), strings.TrimSpace(label)})
	}
	return out
}

// labelOf returns the label of a code, or the code itself.
func (f *Field) labelOf(code string) string {
	for _, o := range f.options {
		if o.code == code {
			return o.label
		}
	}
	return code
}

// checkboxColumn spells the export column of one option: lower case, everything outside a-z0-9_ an underscore.
func checkboxColumn(field, code string) string {
	b := []byte(strings.ToLower(code))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			b[i] = '_'
		}
	}
	return field + "___" + string(b)
}

// parseCodes reads missing-data codes as project info writes them: `NI, No information | UNK, Unknown`.
func parseCodes(s string) []Code {
	var out []Code
	for _, o := range optionsOf(&Field{Type: "radio", Choices: strings.ReplaceAll(s, "\n", "|")}) {
		out = append(out, Code{o.code, o.label})
	}
	return out
}

// formatCodes writes them back.
func formatCodes(codes []Code) string {
	parts := make([]string, len(codes))
	for i, c := range codes {
		parts[i] = c.Code + ", " + c.Label
	}
	return strings.Join(parts, " | ")
}

// validFieldName tells whether REDCap's designer would accept a variable name.
func validFieldName(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
