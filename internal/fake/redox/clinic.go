package redox

import (
	"fmt"
	"time"
)

// visit is a stay as the hospital knows it at a moment.
type visit struct {
	number, account, class string
	at                     time.Time
	attending              provider
	where, before          place
	why                    coded
	left                   time.Time // zero while the patient is there
}

// object is the Visit of a PatientAdmin message.
func (v *visit) object(p *person, more ...any) object {
	diagnosis := append(v.why.object(), "Type", "Admitting")
	o := object{
		"VisitNumber", id(v.number), "AccountNumber", id(v.account), "PatientClass", v.class, "VisitDateTime", stamp(v.at), "Duration", nil,
		"Reason", v.why.name, "Instructions",
		[]string{},
		"Balance", nil, "Diagnoses",
		list{diagnosis},
		"AttendingProvider", v.attending.object(), "ConsultingProvider", provider{}.object(), "ReferringProvider", provider{}.object(),
		"AdmittingProvider", v.attending.object(), "AdditionalStaff",
		list{},
		"Location", v.where.object(),
	}
	return append(append(o, more...), p.payers()...)
}

// short is the Visit of models that only name it.
func (v *visit) short() object {
	return object{
		"VisitNumber", id(v.number), "VisitDateTime", stamp(v.at), "AccountNumber", id(v.account), "PatientClass", "", "Location", place{}.object(),
		"AttendingProvider", v.attending.object(), "ReferringProvider", provider{}.object(), "AdditionalStaff",
		list{},
	}
}

// appointment is a booking as the hospital knows it at a moment.
type appointment struct {
	number, reason, cancelled string
	at                        time.Time
	minutes                   int
	with                      provider
	where                     place
	status                    string
}

func (a *appointment) object(more ...any) object {
	o := object{
		"VisitNumber", id(a.number), "AccountNumber", "", "VisitDateTime", stamp(a.at), "PatientClass", "Outpatient", "Status", a.status, "Duration", a.minutes,
		"Reason", a.reason, "CancelReason", a.cancelled, "Instructions",
		[]string{},
		"AttendingProvider", a.with.object(), "ConsultingProvider", provider{}.object(),
		"ReferringProvider", provider{}.object(), "VisitProvider", a.with.object(), "Location", a.where.object(), "AdditionalStaff",
		list{},
		"Diagnoses",
		list{},
		"Equipment",
		list{},
	}
	return append(o, more...)
}

// order is a request for tests as the hospital knows it at a moment, with what came back of it.
type order struct {
	number, application string // application is the laboratory's number
	status, priority    string
	at                  time.Time
	by                  provider
	what                panel
	results             []finding
	resultsStatus       string
}

// finding is one result of an order.
type finding struct {
	analyte
	value, status string
}

// object is the Order of an Order message.
func (o *order) object(why coded) object {
	return object{
		"ID", id(o.number), "ApplicationOrderID", id(o.application), "Status", o.status, "TransactionDateTime", stamp(o.at), "CollectionDateTime", stamp(o.at),
		"Specimen",
		object{"Source", "Blood", "BodySite", "", "ID", ""},
		"Procedure", o.procedure(), "Provider", o.by.object(),
		"ResultCopyProviders",
		list{},
		"OrderingFacility",
		object{"Name", "", "Address", object{}},
		"Priority", o.priority, "Expiration", "", "Comments", "",
		"Notes",
		[]string{},
		"Diagnoses",
		list{append(why.object(), "Type", "")},
		"ClinicalInfo",
		list{object{"Code", "FAST", "Codeset", "", "Description", "Fasting", "Value", "No", "Units", "", "Abbreviation", "N", "Notes", []string{}}},
	}
}

func (o *order) procedure() object {
	return object{"Code", o.what.code, "Codeset", o.what.codeset, "Description", o.what.name}
}

// outcome is the order as an entry of Orders of a Results message.
func (o *order) outcome(at time.Time) object {
	results := list{}
	for _, f := range o.results {
		results = append(results, f.object(at))
	}
	return object{
		"ID", id(o.number), "ApplicationOrderID", id(o.application), "TransactionDateTime", stamp(o.at), "CollectionDateTime", stamp(o.at), "CompletionDateTime", stamp(at),
		"Notes",
		[]string{},
		"ResultsStatus", o.resultsStatus, "Procedure", o.procedure(), "Provider", o.by.object(), "ResultCopyProviders",
		list{},
		"Status", "Resulted", "ResponseFlag", "Associated Segments", "Priority", o.priority, "Results", results,
	}
}

func (f *finding) object(at time.Time) object {
	flag := "Normal"
	if f.status == "Corrected" {
		flag = "Abnormal"
	}
	return object{
		"Code", f.code, "Codeset", f.codeset, "Description", f.name, "Specimen",
		object{},
		"Value", f.value, "ValueType", "Numeric", "CompletionDateTime", stamp(at),
		"FileType", "", "Units", f.unit, "Notes",
		[]string{},
		"AbnormalFlag", flag, "Status", f.status, "PrimaryResultsInterpreter", provider{}.object(),
		"Producer",
		object{"ID", "LL01", "IDType", "", "Name", lab.name, "Address", lab.address.object()},
		"Performer", provider{}.object(),
		"ReferenceRange",
		object{"Low", number(fmt.Sprint(f.low)), "High", number(fmt.Sprint(f.high)), "Text", ""},
		"ObservationMethod",
		object{},
	}
}

// measure fills in results: of all analytes, or of the first few only.
func (o *order) measure(d *dice, few int, status string) {
	o.results, o.resultsStatus = nil, status
	for i, a := range o.what.analytes {
		if few == 0 || i < few {
			o.results = append(o.results, finding{a, fmt.Sprint(a.low + d.below(a.high-a.low+8)), status})
		}
	}
}
