package redcap

import "strings"

// attributes are the columns of a data dictionary, in the order of the metadata export (reference 6).
var attributes = [...]string{
	"field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations",
	"field_note", "text_validation_type_or_show_slider_number", "text_validation_min", "text_validation_max",
	"identifier", "branching_logic", "required_field", "custom_alignment", "question_number", "matrix_group_name",
	"matrix_ranking", "field_annotation",
}

const (
	attrName = iota
	attrForm
	attrSection
	attrType
	attrLabel
	attrChoices
	attrNote
	attrValidation
	attrMin
	attrMax
	attrIdentifier
)

const attrAnnotation = len(attributes) - 1

// field is one row of the data dictionary.
type field struct {
	text [len(attributes)]string
}

func (f *field) name() string       { return f.text[attrName] }
func (f *field) form() string       { return f.text[attrForm] }
func (f *field) kind() string       { return f.text[attrType] }
func (f *field) label() string      { return f.text[attrLabel] }
func (f *field) choices() string    { return f.text[attrChoices] }
func (f *field) validation() string { return f.text[attrValidation] }
func (f *field) identifier() bool   { return strings.EqualFold(f.text[attrIdentifier], "y") }

// tagged reports whether the field's annotation holds an action tag such as @CALCTEXT.
func (f *field) tagged(tag string) bool {
	return strings.Contains(strings.ToUpper(f.text[attrAnnotation]), tag)
}

// computed reports whether the server fills the field by itself, so that a value does not tell that somebody has
// ever opened its form.
func (f *field) computed() bool {
	return f.kind() == "calc" || f.tagged("@CALCTEXT") || f.tagged("@CALCDATE")
}

// instrument is one form of a project.
type instrument struct{ name, label string }

// arm, event, designation, repeat, exportName and group are rows of the structural exports (reference 3).
type arm struct{ number, name string }

type event struct {
	unique, name, arm, customLabel, id string
	dayOffset, offsetMin, offsetMax    string
}

type designation struct{ arm, event, form string }

type repeat struct{ event, form, customLabel string } // form empty: the whole event repeats

type exportName struct{ field, choice, export string }

type group struct{ unique, name, id string }

// How an instrument repeats, as the comment of its table says it.
const (
	repeatsNever    = "never"
	repeatsInstance = "by instance"
	repeatsEvent    = "with event"
	repeatsMixed    = "mixed"
	repeatsUnknown  = "unknown"
)

// repeats tells how a form repeats over the events that it is designated for.
func (p *snapshot) repeats(form string) string {
	if !p.repeatsKnown {
		return repeatsUnknown
	}
	if !p.longitudinal {
		if p.repeatsIn("", form) {
			return repeatsInstance
		}
		return repeatsNever
	}
	found := ""
	for _, d := range p.designations {
		if d.form != form {
			continue
		}
		way := repeatsNever
		switch {
		case p.repeatsIn(d.event, form):
			way = repeatsInstance
		case p.repeatsIn(d.event, ""):
			way = repeatsEvent
		}
		if found != "" && found != way {
			return repeatsMixed
		}
		found = way
	}
	if found == "" {
		return repeatsNever
	}
	return found
}

func (p *snapshot) repeatsIn(event, form string) bool {
	for _, r := range p.repeating {
		if r.event == event && r.form == form {
			return true
		}
	}
	return false
}
