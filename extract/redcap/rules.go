package redcap

import "slices"

// severity tells how much of a misfit a value is.
type severity string

const (
	// nonconforming: the field cannot have such a value. Where its column cannot hold it, it stands in _nonconforming.
	nonconforming severity = "nonconforming"
	// softRange: REDCap warns the person who types, and takes the value.
	softRange severity = "soft range"
	// requiredFormat: the value is stored as it came and does not look as the field's validation asks.
	requiredFormat severity = "required format"
)

// rule is one of REDCap's validation rules (reference 5). The table valueRules is where they are said; syncd.value_rule
// repeats it for the views of data managers, and a test holds the two against each other.
type rule struct {
	id       string // never changes: people filter by it
	severity severity
	message  string
	// applies names what the rule is for: "text:integer" is a field type with a validation, "slider" a field type whatever
	// its validation, "column:numeric" a type of Postgres where the dictionary says nothing closer.
	applies []string
	// stored says that the pattern is also looked for in the canonical text of a typed column.
	stored  bool
	pattern string            // of Postgres and of Go; empty: no text can be told by its looks
	match   func([]byte) bool // does what the pattern says; nil: never asked for on the way of a row
}

// find returns the rule of an id; nil where there is none.
func findRule(id string) *rule {
	i := slices.IndexFunc(valueRules, func(r rule) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return &valueRules[i]
}

// formatOf returns the rule by which stored values of a field are looked at; nil where any value will do.
func formatOf(f *field) *rule {
	key := f.kind() + ":" + f.validation()
	i := slices.IndexFunc(valueRules, func(r rule) bool { return r.severity == requiredFormat && slices.Contains(r.applies, key) })
	if i < 0 {
		return nil
	}
	return &valueRules[i]
}

// Rules that something else than a field's validation chooses.
const (
	ruleChoice = "not_a_choice"
	ruleStatus = "not_a_form_status"
	ruleBelow  = "below_suggested_range"
	ruleAbove  = "above_suggested_range"
)
