package redcap

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// odm is what a project XML says that an export depends on.
type odm struct {
	Description string `xml:"Description,attr"`
	AsOf        string `xml:"AsOfDateTime,attr"`
	Version     string `xml:"SourceSystemVersion,attr"`
	Global      struct {
		Name          string `xml:"StudyName"`
		Autonumbering string `xml:"RecordAutonumberingEnabled"`
		Label         string `xml:"CustomRecordLabel"`
		Secondary     string `xml:"SecondaryUniqueField"`
		Scheduling    string `xml:"SchedulingEnabled"`
		Surveys       string `xml:"SurveysEnabled"`
		Purpose       int    `xml:"Purpose"`
		Notes         string `xml:"ProjectNotes"`
		MissingCodes  string `xml:"MissingDataCodes"`
		RepeatEvents  []struct {
			Event string `xml:"UniqueEventName,attr"`
		} `xml:"RepeatingInstrumentsAndEvents>RepeatingEvent"`
		RepeatForms []struct {
			Event string `xml:"UniqueEventName,attr"`
			Form  string `xml:"RepeatInstrument,attr"`
			Label string `xml:"CustomLabel,attr"`
		} `xml:"RepeatingInstrumentsAndEvents>RepeatingInstruments>RepeatingInstrument"`
		DAGs []struct {
			Name string `xml:"group_name,attr"`
		} `xml:"DataAccessGroupsGroup>DataAccessGroups"`
		SurveyForms []struct {
			Form string `xml:"form_name,attr"`
		} `xml:"SurveysGroup>Surveys"`
		Roles []struct {
			Rights []xml.Attr `xml:",any,attr"`
		} `xml:"UserRolesGroup>UserRoles"`
		Reports []struct {
			Title  string `xml:"title,attr"`
			Unique string `xml:"unique_report_name,attr"`
			Fields string `xml:"redcap_reports_fields,attr"`
			Events string `xml:"redcap_reports_filter_events,attr"`
			Logic  string `xml:"advanced_logic,attr"`
			DAGs   string `xml:"output_dags,attr"`
			Survey string `xml:"output_survey_fields,attr"`
		} `xml:"ReportsGroup>Reports"`
	} `xml:"Study>GlobalVariables"`
	Events []struct {
		Name   string `xml:"EventName,attr"`
		Unique string `xml:"UniqueEventName,attr"`
		Label  string `xml:"CustomEventLabel,attr"`
		Arm    int    `xml:"ArmNum,attr"`
		ArmOf  string `xml:"ArmName,attr"`
		Forms  []struct {
			Form string `xml:"FormName,attr"`
		} `xml:"FormRef"`
	} `xml:"Study>MetaDataVersion>StudyEventDef"`
	Forms []struct {
		Name   string `xml:"FormName,attr"`
		Label  string `xml:"Name,attr"`
		Groups []struct {
			OID string `xml:"ItemGroupOID,attr"`
		} `xml:"ItemGroupRef"`
	} `xml:"Study>MetaDataVersion>FormDef"`
	Groups []struct {
		OID   string `xml:"OID,attr"`
		Items []struct {
			OID string `xml:"ItemOID,attr"`
		} `xml:"ItemRef"`
	} `xml:"Study>MetaDataVersion>ItemGroupDef"`
	Items    []odmItem `xml:"Study>MetaDataVersion>ItemDef"`
	Lists    []odmList `xml:"Study>MetaDataVersion>CodeList"`
	Subjects []struct {
		Key    string    `xml:"SubjectKey,attr"`
		Forms  []odmForm `xml:"FormData"`
		Events []struct {
			Unique string    `xml:"UniqueEventName,attr"`
			Repeat int       `xml:"StudyEventRepeatKey,attr"`
			Forms  []odmForm `xml:"FormData"`
		} `xml:"StudyEventData"`
	} `xml:"ClinicalData>SubjectData"`
}

type odmItem struct {
	OID        string `xml:"OID,attr"`
	Variable   string `xml:"Variable,attr"`
	Type       string `xml:"FieldType,attr"`
	Validation string `xml:"TextValidationType,attr"`
	Section    string `xml:"SectionHeader,attr"`
	Note       string `xml:"FieldNote,attr"`
	Identifier string `xml:"Identifier,attr"`
	Required   string `xml:"RequiredField,attr"`
	Branching  string `xml:"BranchingLogic,attr"`
	Alignment  string `xml:"CustomAlignment,attr"`
	Matrix     string `xml:"MatrixGroupName,attr"`
	Ranking    string `xml:"MatrixRanking,attr"`
	Question   string `xml:"QuestionNum,attr"`
	Annotation string `xml:"FieldAnnotation,attr"`
	Calc       string `xml:"Calculation,attr"`
	Slider     string `xml:"SliderLabels,attr"`
	Label      string `xml:"Question>TranslatedText"`
	List       struct {
		OID string `xml:"CodeListOID,attr"`
	} `xml:"CodeListRef"`
	Ranges []struct {
		Comparator string `xml:"Comparator,attr"`
		Value      string `xml:"CheckValue"`
	} `xml:"RangeCheck"`
}

type odmList struct {
	OID     string `xml:"OID,attr"`
	Boxes   string `xml:"CheckboxChoices,attr"`
	Choices []struct {
		Code  string `xml:"CodedValue,attr"`
		Label string `xml:"Decode>TranslatedText"`
	} `xml:"CodeListItem"`
}

type odmForm struct {
	OID    string `xml:"FormOID,attr"`
	Repeat int    `xml:"FormRepeatKey,attr"`
	Groups []struct {
		Items []struct {
			OID   string `xml:"ItemOID,attr"`
			Value string `xml:"Value,attr"`
		} `xml:"ItemData"`
		Files []struct {
			OID  string `xml:"ItemOID,attr"`
			Name string `xml:"DocName,attr"`
		} `xml:"ItemDataBase64Binary"`
	} `xml:"ItemGroupData"`
}

func readODM(path string) (*odm, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var doc odm
	if err := xml.NewDecoder(f).Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return &doc, nil
}

// ReadXML reads a project XML, with the data that it carries.
func ReadXML(file string) (*Project, error) {
	doc, err := readODM(file)
	if err != nil {
		return nil, fmt.Errorf("read project XML: %w", err)
	}
	p := doc.project()
	p.useDictionary(doc.fields())
	if len(p.fields) == 0 {
		return nil, fmt.Errorf("read project XML %s: there is no dictionary in it", filepath.Base(file))
	}
	doc.structure(p)
	p.complete()
	doc.data(p)
	return p, nil
}

// project makes the project without fields, events and data.
func (doc *odm) project() *Project {
	g := &doc.Global
	i := Info{
		Title: g.Name, Autonumbering: g.Autonumbering == "1", CustomRecordLabel: g.Label, Secondary: g.Secondary,
		Scheduling: g.Scheduling == "1", Surveys: g.Surveys == "1" || len(g.SurveyForms) > 0, Purpose: g.Purpose, Notes: g.Notes,
		Longitudinal: len(doc.Events) > 0,
	}
	i.Created, _ = time.Parse("2006-01-02T15:04:05", doc.AsOf)
	p := newProject(i)
	p.codes = parseCodes(g.MissingCodes)
	for _, d := range g.DAGs {
		p.addDAG(d.Name)
	}
	for _, r := range g.Roles {
		p.roles = append(p.roles, roleOf(r.Rights))
	}
	for i, r := range g.Reports {
		p.reports = append(p.reports, Report{
			ID: p.info.ID*10 + i + 1, Title: r.Title, Unique: r.Unique, Fields: listed(r.Fields), Events: listed(r.Events),
			Logic: strings.ReplaceAll(r.Logic, "[event-name]", ""), DAGs: r.DAGs == "1", Survey: r.Survey == "1",
		})
	}
	for _, f := range doc.Forms {
		form := Form{Name: f.Name, Label: f.Label}
		for _, s := range g.SurveyForms {
			form.Survey = form.Survey || s.Form == f.Name
		}
		p.addForm(form)
	}
	return p
}

// structure adds events, designations and the repeating set-up.
func (doc *odm) structure(p *Project) {
	for _, d := range doc.Events {
		e := p.addEvent(Event{Name: d.Name, Unique: d.Unique, Arm: d.Arm, CustomLabel: d.Label, forms: map[string]bool{}})
		for i := range p.arms {
			if p.arms[i].Number == d.Arm {
				p.arms[i].Name = d.ArmOf
			}
		}
		for _, f := range d.Forms {
			if form := p.form(f.Form); form != nil {
				p.designate(e, form)
			}
		}
	}
	p.complete()
	at := func(unique string) *Event {
		if e := p.event(unique); e != nil {
			return e
		}
		return p.events[0]
	}
	for _, r := range doc.Global.RepeatEvents {
		at(r.Event).Repeats = true
	}
	for _, r := range doc.Global.RepeatForms {
		if form := p.form(r.Form); form != nil {
			at(r.Event).repeat(form, r.Label)
		}
	}
}

// fields makes the dictionary out of forms, groups and items.
func (doc *odm) fields() []Field {
	items, lists, groups := map[string]*odmItem{}, map[string]*odmList{}, map[string]int{}
	for i := range doc.Items {
		items[doc.Items[i].OID] = &doc.Items[i]
	}
	for i := range doc.Lists {
		lists[doc.Lists[i].OID] = &doc.Lists[i]
	}
	for i := range doc.Groups {
		groups[doc.Groups[i].OID] = i
	}
	var out []Field
	seen := map[string]bool{}
	for _, form := range doc.Forms {
		for _, ref := range form.Groups {
			for _, r := range doc.Groups[groups[ref.OID]].Items {
				it := items[r.OID]
				if it == nil || it.Type == "" || seen[it.Variable] || it.Variable == form.Name+"_complete" {
					continue
				}
				seen[it.Variable] = true
				out = append(out, it.field(form.Name, lists[it.List.OID]))
			}
		}
	}
	return out
}

// field makes a dictionary row; the XML spells some types and validations as the database does.
func (it *odmItem) field(form string, list *odmList) Field {
	f := Field{
		Name: it.Variable, Form: form, Section: it.Section, Type: it.Type, Label: it.Label, Note: it.Note, Validation: it.Validation,
		Identifier: it.Identifier, Branching: it.Branching, Required: it.Required, Alignment: it.Alignment, Question: it.Question,
		Matrix: it.Matrix, Ranking: it.Ranking, Annotation: it.Annotation,
	}
	for from, to := range map[string]string{"select": "dropdown", "textarea": "notes"} {
		if f.Type == from {
			f.Type = to
		}
	}
	for from, to := range map[string]string{"int": "integer", "float": "number"} {
		if f.Validation == from {
			f.Validation = to
		}
	}
	for _, r := range it.Ranges {
		if r.Comparator == "GE" {
			f.Min = r.Value
		} else {
			f.Max = r.Value
		}
	}
	switch {
	case f.Type == "calc":
		f.Choices = it.Calc
	case f.Type == "slider":
		f.Choices = it.Slider
	case list == nil, f.Type == "yesno", f.Type == "truefalse":
	case f.Type == "checkbox":
		f.Choices = list.Boxes
	default:
		var parts []string
		for _, c := range list.Choices {
			parts = append(parts, c.Code+", "+c.Label)
		}
		f.Choices = strings.Join(parts, " | ")
	}
	return f
}

// data fills the store.
func (doc *odm) data(p *Project) {
	keys := p.columnKeys()
	var order []*record
	for _, s := range doc.Subjects {
		rec := &record{id: s.Key}
		order = append(order, rec)
		for _, f := range s.Forms {
			f.load(p, rec, p.events[0], 1, keys)
		}
		for _, ev := range s.Events {
			if e := p.event(ev.Unique); e != nil {
				for _, f := range ev.Forms {
					f.load(p, rec, e, ev.Repeat, keys)
				}
			}
		}
	}
	p.store.recorded = true
	p.store.load(order)
}

// load stores one form's data.
func (f *odmForm) load(p *Project, rec *record, e *Event, repeat int, keys map[string]slot) {
	form := p.form(strings.TrimPrefix(f.OID, "Form."))
	if form == nil {
		return
	}
	at, key := 0, ""
	if _, alone := e.repeating[form.key]; alone {
		at, key = max(1, f.Repeat), form.key
	} else if e.Repeats {
		at = max(1, repeat)
	}
	r := rec.find(e.ID, key, at, true)
	for _, g := range f.Groups {
		for _, item := range g.Items {
			if item.OID == "redcap_data_access_group" {
				if d := p.dagByUnique(item.Value); d != nil {
					rec.dag = d.ID
				}
				continue
			}
			if k, ok := keys[item.OID]; ok {
				k.store(r, p.exported(item.OID, item.Value))
			}
		}
		for _, file := range g.Files {
			if k, ok := keys[file.OID]; ok {
				k.store(r, file.Name)
			}
		}
	}
}

// exported is how an export spells a value: only the XML has a T between date and time.
func (p *Project) exported(name, value string) string {
	if f := p.field(name); f != nil && strings.HasPrefix(f.Validation, "datetime") {
		return strings.Replace(value, "T", " ", 1)
	}
	return value
}
