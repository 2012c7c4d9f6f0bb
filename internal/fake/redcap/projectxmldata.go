package redcap

import (
	"encoding/base64"
	"fmt"
	"path"
	"strings"
)

// section is a run of fields under one section header; the form's status stands in one of its own.
type section struct {
	oid, name string
	items     []xmlItem
}

// xmlItem is one item of the XML: a field, one option of a checkbox, a status.
type xmlItem struct {
	oid, variable string
	field         *Field
}

// sections are the item groups of a form.
func (p *Project) sections(form *Form) []section {
	var out []section
	for _, f := range p.fields {
		if f.Form != form.Name {
			continue
		}
		if len(out) == 0 || f.Section != "" {
			name := form.Label
			if f.Section != "" {
				name = f.Section
			}
			out = append(out, section{oid: form.Name + "." + f.Name, name: name})
		}
		s := &out[len(out)-1]
		if f.Type != "checkbox" {
			s.items = append(s.items, xmlItem{f.Name, f.Name, f})
			continue
		}
		for _, o := range p.boxes(f) {
			s.items = append(s.items, xmlItem{checkboxColumn(f.Name, o.code), f.Name, f})
		}
	}
	status := form.Name + "_complete"
	return append(out, section{form.Name + "." + status, "Form Status", []xmlItem{{status, status, statusField(form)}}})
}

// statusField is a form's status as the dictionary of the XML has it.
func statusField(form *Form) *Field {
	f := &Field{
		Name: form.Name + "_complete", Form: form.Name, Type: "dropdown", Label: "Complete?", Section: "Form Status",
		Choices: "0, Incomplete | 1, Unverified | 2, Complete",
	}
	f.options = optionsOf(f)
	return f
}

// metadata writes events, forms, groups, items and choices.
func (d *xmlDoc) metadata() {
	fmt.Fprintf(d, "<MetaDataVersion OID=\"Metadata.%s_%s\" Name=\"%s\" redcap:RecordIdField=\"%s\">\n",
		d.name, d.now.Format("2006-01-02_1504"), esc(d.p.info.Title), esc(d.p.fields[0].Name))
	d.eventDefs()
	all := make([][]section, len(d.p.forms))
	for i, f := range d.p.forms {
		all[i] = d.p.sections(f)
		fmt.Fprintf(d, "\t<FormDef OID=\"Form.%s\" Name=\"%s\" Repeating=\"No\" redcap:FormName=\"%s\">\n", f.Name, esc(f.Label), f.Name)
		for _, s := range all[i] {
			d.empty(2, "ItemGroupRef", "ItemGroupOID", s.oid, "Mandatory", "No")
		}
		d.WriteString("\t</FormDef>\n")
	}
	for _, sections := range all {
		for _, s := range sections {
			fmt.Fprintf(d, "\t<ItemGroupDef OID=\"%s\" Name=\"%s\" Repeating=\"No\">\n", s.oid, esc(s.name))
			for _, it := range s.items {
				mandatory := "No"
				if it.field.Required == "y" {
					mandatory = "Yes"
				}
				d.empty(2, "ItemRef", "ItemOID", it.oid, "Mandatory", mandatory, "redcap:Variable", it.variable)
			}
			d.WriteString("\t</ItemGroupDef>\n")
		}
	}
	each := func(write func(xmlItem)) {
		for _, sections := range all {
			for _, s := range sections {
				for _, it := range s.items {
					write(it)
				}
			}
		}
	}
	each(d.itemDef)
	each(d.codeList)
	d.WriteString("</MetaDataVersion>\n</Study>\n")
}

func (d *xmlDoc) eventDefs() {
	if !d.p.info.Longitudinal {
		return
	}
	d.WriteString("\t<Protocol>\n")
	for i, e := range d.p.events {
		d.empty(2, "StudyEventRef", "StudyEventOID", "Event."+e.Unique, "OrderNumber", fmt.Sprint(i+1), "Mandatory", "No")
	}
	d.WriteString("\t</Protocol>\n")
	arms := map[int]string{}
	for _, a := range d.p.arms {
		arms[a.Number] = a.Name
	}
	for i, e := range d.p.events {
		repeating := "No"
		if e.Repeats {
			repeating = "Yes"
		}
		fmt.Fprintf(d, "\t<StudyEventDef%s>\n", attributes(false, []string{
			"OID", "Event." + e.Unique, "Name", e.Name, "Type", "Common", "Repeating", repeating, "redcap:EventName", e.Name,
			"redcap:CustomEventLabel", e.CustomLabel, "redcap:UniqueEventName", e.Unique, "redcap:ArmNum", fmt.Sprint(e.Arm),
			"redcap:ArmName", arms[e.Arm], "redcap:DayOffset", fmt.Sprint(i), "redcap:OffsetMin", "0", "redcap:OffsetMax", "0",
		}))
		n := 0
		for _, f := range d.p.forms {
			if e.has(f) {
				n++
				d.empty(2, "FormRef", "FormOID", "Form."+f.Name, "OrderNumber", fmt.Sprint(n), "Mandatory", "No", "redcap:FormName", f.Name)
			}
		}
		d.WriteString("\t</StudyEventDef>\n")
	}
}

// itemDef writes one item; types and validations have the names of the database here.
func (d *xmlDoc) itemDef(it xmlItem) {
	f := it.field
	kind, length := xmlType(f)
	digits := ""
	if kind == "float" && f.Type == "text" {
		digits = "1"
	}
	calc, slider := "", ""
	switch f.Type {
	case "calc":
		calc = f.Choices
	case "slider":
		slider = f.Choices
	}
	fmt.Fprintf(d, "\t<ItemDef%s>\n", attributes(true, []string{
		"OID", it.oid, "Name", it.oid, "DataType", kind, "Length", length, "SignificantDigits", digits, "redcap:Variable", it.variable,
		"redcap:FieldType", renamed(f.Type, "dropdown", "select", "notes", "textarea"),
		"redcap:TextValidationType", renamed(f.Validation, "integer", "int", "number", "float"), "redcap:FieldNote", f.Note,
		"redcap:SliderLabels", slider, "redcap:SectionHeader", f.Section, "redcap:Calculation", calc, "redcap:BranchingLogic", f.Branching,
		"redcap:RequiredField", f.Required, "redcap:Identifier", f.Identifier, "redcap:CustomAlignment", f.Alignment,
		"redcap:QuestionNum", f.Question, "redcap:MatrixGroupName", f.Matrix, "redcap:MatrixRanking", f.Ranking,
		"redcap:FieldAnnotation", f.Annotation,
	}))
	fmt.Fprintf(d, "\t\t<Question><TranslatedText>%s</TranslatedText></Question>\n", esc(f.Label))
	if len(f.options) > 0 || f.Type == "checkbox" {
		d.empty(2, "CodeListRef", "CodeListOID", it.oid+".choices")
	}
	for _, r := range [][2]string{{"GE", f.Min}, {"LE", f.Max}} {
		if r[1] != "" {
			fmt.Fprintf(d, "\t\t<RangeCheck Comparator=\"%s\" SoftHard=\"Soft\">\n", r[0])
			d.element(3, "CheckValue", r[1])
			fmt.Fprintf(d, "\t\t\t<ErrorMessage><TranslatedText>The value you provided is outside the suggested range (%s - %s). This value is admissible, but you may wish to double check it.</TranslatedText></ErrorMessage>\n\t\t</RangeCheck>\n", esc(f.Min), esc(f.Max))
		}
	}
	d.WriteString("\t</ItemDef>\n")
}

// renamed replaces a name by the one behind it.
func renamed(name string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if name == pairs[i] {
			return pairs[i+1]
		}
	}
	return name
}

// xmlType is an item's data type and length.
func xmlType(f *Field) (kind, length string) {
	v := f.Validation
	switch {
	case f.Type == "yesno", f.Type == "truefalse", f.Type == "checkbox":
		return "boolean", "1"
	case f.Type == "dropdown", f.Type == "radio", f.Type == "sql":
		return "text", "1"
	case f.Type == "calc", f.Type == "text" && strings.HasPrefix(v, "number"):
		return "float", "999"
	case f.Type == "slider", v == "integer":
		return "integer", "999"
	case strings.HasPrefix(v, "datetime_seconds"):
		return "datetime", "999"
	case strings.HasPrefix(v, "datetime"):
		return "partialDatetime", "999"
	case strings.HasPrefix(v, "date_"):
		return "date", "999"
	case v == "time":
		return "partialTime", "999"
	}
	return "text", "999"
}

// codeList writes the choices of one item; a checkbox option's are Checked and Unchecked, and it names all options.
func (d *xmlDoc) codeList(it xmlItem) {
	f, options, boxes := it.field, it.field.options, ""
	if f.Type == "checkbox" {
		options, boxes = []option{{"1", "Checked"}, {"0", "Unchecked"}}, f.Choices
	}
	if len(options) == 0 {
		return
	}
	kind, _ := xmlType(f)
	fmt.Fprintf(d, "\t<CodeList%s>\n", attributes(true, []string{
		"OID", it.oid + ".choices", "Name", it.oid, "DataType", kind, "redcap:Variable", it.variable, "redcap:CheckboxChoices", boxes,
	}))
	for _, o := range options {
		fmt.Fprintf(d, "\t\t<CodeListItem CodedValue=\"%s\"><Decode><TranslatedText>%s</TranslatedText></Decode></CodeListItem>\n", esc(o.code), esc(o.label))
	}
	d.WriteString("\t</CodeList>\n")
}

// data writes the records that the user may see. Empty values are left out, and files unless they are asked for.
func (d *xmlDoc) data() bool {
	pl, ok := d.c.planExport(&wish{surveys: d.c.flag("exportSurveyFields"), groups: d.c.flag("exportDataAccessGroups") && d.c.user.DAGs})
	if !ok {
		return false
	}
	pl.label, pl.documents = false, false
	meta := d.name + "_" + d.now.Format("2006-01-02_1504")
	fmt.Fprintf(d, "<ClinicalData StudyOID=\"Project.%s\" MetaDataVersionOID=\"Metadata.%s\">\n", d.name, meta)
	x := &export{plan: pl, c: d.c}
	x.selected(nil, func(e entry) bool {
		rec := d.p.settled(d.p.store.whole(e), pl.homes)
		if pl.bound == 0 || rec.dag == pl.bound {
			d.subject(pl, rec)
		}
		return true
	})
	d.WriteString("</ClinicalData>\n")
	return true
}

func (d *xmlDoc) subject(pl *plan, rec *record) {
	fmt.Fprintf(d, "\t<SubjectData SubjectKey=\"%s\" redcap:RecordIdField=\"%s\">\n", esc(pl.recordName(rec.id)), esc(d.p.fields[0].Name))
	for i, r := range d.p.sorted(rec.rows) {
		e := d.p.shownByID(r.event)
		if !d.p.fits(e, r) {
			continue
		}
		if d.p.info.Longitudinal {
			key := 1
			if e.Repeats {
				key = r.instance
			}
			fmt.Fprintf(d, "\t\t<StudyEventData StudyEventOID=\"Event.%s\" StudyEventRepeatKey=\"%d\" redcap:UniqueEventName=\"%s\">\n", e.Unique, key, e.Unique)
		}
		for _, form := range d.p.forms {
			if pl.belongs(e, r, form) {
				d.formData(pl, rec, e, r, form, i == 0)
			}
		}
		if d.p.info.Longitudinal {
			d.WriteString("\t\t</StudyEventData>\n")
		}
	}
	d.WriteString("\t</SubjectData>\n")
}

// formData writes what is stored of one form; the record id, the group and the identifier go with the form that holds
// the record id.
func (d *xmlDoc) formData(pl *plan, rec *record, e *Event, r *row, form *Form, first bool) {
	items := xmlDoc{c: d.c, p: d.p}
	item := func(oid, value string) {
		if value != "" {
			items.empty(5, "ItemData", "ItemOID", oid, "Value", value)
		}
	}
	var touched bool
	for i := range pl.columns {
		col := &pl.columns[i]
		switch {
		case col.kind == colID && d.p.fields[0].Form == form.Name:
			item(col.name, pl.recordName(rec.id))
			touched = first
		case col.kind == colDAG && d.p.fields[0].Form == form.Name, col.kind == colSurveyID && d.p.fields[0].Form == form.Name:
			item(col.name, pl.cell(col, rec, e, r, true))
		case col.form != form, col.kind == colStatus && r.values[col.key] == "":
		case col.kind == colField && col.field.Type == "file":
			if f := d.p.fileAt(rec, e, col.field, fmt.Sprint(r.instance)); f != nil && d.c.flag("exportFiles") {
				fmt.Fprintf(&items, "\t\t\t\t\t<ItemDataBase64Binary ItemOID=\"%s\" redcap:DocName=\"%s\" redcap:MimeType=\"%s\"><![CDATA[%s]]></ItemDataBase64Binary>\n",
					col.name, esc(f.name), mimeOf(path.Ext(f.name)), base64.StdEncoding.EncodeToString(f.content))
				touched = true
			}
		default:
			value := pl.cell(col, rec, e, r, true)
			if col.field != nil && strings.HasPrefix(col.field.Validation, "datetime") {
				value = strings.Replace(value, " ", "T", 1)
			}
			item(col.name, value)
			touched = touched || r.values[col.key] != ""
		}
	}
	if !touched {
		return
	}
	fmt.Fprintf(d, "\t\t\t<FormData FormOID=\"Form.%s\" FormRepeatKey=\"%d\">\n\t\t\t\t<ItemGroupData ItemGroupOID=\"%s\" ItemGroupRepeatKey=\"1\">\n",
		form.Name, max(1, r.instance), d.p.sections(form)[0].oid)
	d.Write(items.Bytes())
	d.WriteString("\t\t\t\t</ItemGroupData>\n\t\t\t</FormData>\n")
}
