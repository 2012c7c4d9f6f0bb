package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
)

// element is one element of an XML file. Prefixes of names are dropped.
type element struct {
	name     string
	attr     map[string]string
	text     string
	children []*element
}

func xmlFile(path string) (*element, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	root := &element{}
	open := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		at := open[len(open)-1]
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{name: x.Name.Local, attr: map[string]string{}}
			for _, a := range x.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			at.children = append(at.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			at.text += string(x)
		}
	}
}

// all returns every element of a name below e, in the order of the file.
func (e *element) all(name string) []*element {
	var found []*element
	for _, c := range e.children {
		if c.name == name {
			found = append(found, c)
		}
		found = append(found, c.all(name)...)
	}
	return found
}

// readXML reads a project XML. Its data are places (record, event, form, repeat), and of each what is filled.
func (r *recording) readXML(path string) error {
	root, err := xmlFile(path)
	if err != nil {
		return err
	}
	r.readXMLFields(root)
	r.events = len(root.all("StudyEventDef")) > 0
	alone, whole := map[[2]string]bool{}, map[string]bool{}
	for _, e := range root.all("RepeatingInstrument") {
		event := ""
		if r.events {
			event = e.attr["UniqueEventName"]
		}
		alone[[2]string{event, e.attr["RepeatInstrument"]}] = true
	}
	for _, e := range root.all("RepeatingEvent") {
		whole[e.attr["UniqueEventName"]] = true
	}
	for _, subject := range root.all("SubjectData") {
		rows := map[recordedPlace]*recordedRow{}
		for _, e := range subject.children {
			switch e.name {
			case "FormData":
				r.addForm(rows, subject.attr["SubjectKey"], "", "1", e, alone, whole)
			case "StudyEventData":
				for _, form := range e.all("FormData") {
					r.addForm(rows, subject.attr["SubjectKey"], e.attr["UniqueEventName"], e.attr["StudyEventRepeatKey"], form, alone, whole)
				}
			}
		}
	}
	return nil
}

type recordedPlace struct {
	event, form string
	instance    int
}

// addForm takes the data of one form at one place.
func (r *recording) addForm(rows map[recordedPlace]*recordedRow, record, event, repeat string, e *element, alone map[[2]string]bool, whole map[string]bool) {
	form := strings.TrimPrefix(e.attr["FormOID"], "Form.")
	place := recordedPlace{event: event, instance: 1}
	switch {
	case alone[[2]string{event, form}]:
		place.form = form
		place.instance, _ = strconv.Atoi(e.attr["FormRepeatKey"])
	case whole[event]:
		place.instance, _ = strconv.Atoi(repeat)
	}
	row := rows[place]
	if row == nil {
		row = &recordedRow{record: record, event: event, form: place.form, instance: place.instance, cells: map[string]string{}}
		rows[place] = row
		r.rows = append(r.rows, row)
	}
	for _, item := range e.all("ItemData") {
		switch name, value := item.attr["ItemOID"], item.attr["Value"]; name {
		case r.idField:
		case "redcap_data_access_group":
			if value != "" {
				r.group[record] = value
			}
		case "redcap_survey_identifier":
			row.survey = value
		default:
			row.cells[optionColumn(name)] = r.exported(name, value)
		}
	}
	for _, item := range e.all("ItemDataBase64Binary") {
		row.cells[item.attr["ItemOID"]] = item.attr["DocName"]
	}
}

// exported is how an export spells a value: only the XML has a T between date and time.
func (r *recording) exported(column, value string) string {
	c, _ := r.column(column)
	if c.form != "" && c.pgType() == "timestamp without time zone" {
		return strings.Replace(value, "T", " ", 1)
	}
	return value
}

// readXMLFields makes the dictionary. The file spells some types and validations as the server's database does.
func (r *recording) readXMLFields(root *element) {
	items, groups, lists := map[string]*element{}, map[string]*element{}, map[string]*element{}
	for _, e := range root.all("ItemDef") {
		items[e.attr["OID"]] = e
	}
	for _, e := range root.all("ItemGroupDef") {
		groups[e.attr["OID"]] = e
	}
	for _, e := range root.all("CodeList") {
		lists[e.attr["OID"]] = e
	}
	seen := map[string]bool{}
	for _, form := range root.all("FormDef") {
		for _, g := range form.all("ItemGroupRef") {
			for _, ref := range groups[g.attr["ItemGroupOID"]].all("ItemRef") {
				item := items[ref.attr["ItemOID"]]
				name := item.attr["Variable"]
				if item.attr["FieldType"] == "" || seen[name] || name == form.attr["FormName"]+"_complete" {
					continue
				}
				seen[name] = true
				f := recordedXMLField(item, lists)
				f[1] = form.attr["FormName"]
				r.define(f)
			}
		}
	}
}

func recordedXMLField(item *element, lists map[string]*element) *recordedField {
	spelling := map[string]string{"select": "dropdown", "textarea": "notes", "int": "integer", "float": "number"}
	as := func(word string) string {
		if s := spelling[word]; s != "" {
			return s
		}
		return word
	}
	f := &recordedField{0: item.attr["Variable"], 3: as(item.attr["FieldType"]), 7: as(item.attr["TextValidationType"]), 17: item.attr["FieldAnnotation"]}
	for _, check := range item.all("RangeCheck") {
		for _, value := range check.all("CheckValue") {
			if check.attr["Comparator"] == "GE" {
				f[8] = value.text
			} else {
				f[9] = value.text
			}
		}
	}
	for _, ref := range item.all("CodeListRef") {
		var choices []string
		list := lists[ref.attr["CodeListOID"]]
		if list == nil {
			continue
		}
		for _, c := range list.all("CodeListItem") {
			choices = append(choices, c.attr["CodedValue"]+", x")
		}
		f[5] = strings.Join(choices, " | ")
		if boxes := list.attr["CheckboxChoices"]; boxes != "" {
			f[5] = boxes
		}
	}
	return f
}
