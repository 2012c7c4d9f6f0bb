package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cells are what a row holds: each column that is not NULL, as text. The columns of syncd's own keeping are left out.
type cells map[string]string

// cellsOf reads all rows of a table by their business columns, in the order of a key.
func (w *ward) cellsOf(table, order string) (all []cells) {
	w.t.Helper()
	for _, line := range w.rowsOf("SELECT to_jsonb(x)::text FROM " + table + " AS x ORDER BY " + order) {
		var row map[string]any
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&row); err != nil {
			w.t.Fatal(err)
		}
		one := cells{}
		for column, value := range row {
			switch v := value.(type) {
			case nil:
			case map[string]any, []any:
				text, err := json.Marshal(v)
				if err != nil {
					w.t.Fatal(err)
				}
				one[column] = string(text)
			default:
				one[column] = fmt.Sprint(v)
			}
		}
		for _, own := range []string{"_run_id", "_fingerprint", "_inserted_at", "_changed_at", "_version"} {
			delete(one, own)
		}
		all = append(all, one)
	}
	return all
}

// and is a row with more cells.
func (c cells) and(more cells) cells {
	all := maps.Clone(c)
	maps.Copy(all, more)
	return all
}

const arrivalMessage = `{
	"Meta": {"DataModel": "PatientAdmin", "EventType": "Arrival", "EventDateTime": "2026-02-03T08:00:00.125Z", "Test": false, "FacilityCode": "RGH",
		"Source": {"ID": "7ce6f387", "Name": "EHR"}, "Destinations": [{"ID": "af39", "Name": "DW"}], "Logs": [{"ID": "LOG-1", "AttemptID": "925d"}],
		"Message": {"ID": 41962259}, "Transmission": {"ID": 12414}},
	"Patient": {
		"Identifiers": [{"ID": 41962259, "IDType": "EHRID"}, {"ID": "0000000001", "IDType": "MR"}],
		"Demographics": {"FirstName": "Timothy", "MiddleName": "", "LastName": "O'Bixby \\ Ünï", "DOB": "2008-01-06", "IsHispanic": false, "IsDeceased": null,
			"Nickname": "Tim", "PhoneNumber": {"Home": "+18088675301", "Mobile": null}, "EmailAddresses": [], "Citizenship": ["US", "DE"],
			"Address": {"City": "Monroe", "ZIP": 53566}},
		"Notes": ["first", "second"],
		"Contacts": [{"FirstName": "Barbara", "PhoneNumber": {"Office": "+17077543758"}, "Roles": ["Emergency Contact"]}, {"FirstName": "Kent"}],
		"Allergies": [{"Code": "7982", "Codeset": "RxNorm", "Name": "Penicillin", "OnsetDateTime": "2016", "Reaction": [{"Code": "28926001"}]}]
	},
	"Visit": {
		"VisitNumber": 12345678901234567890, "AccountNumber": "", "PatientClass": "Inpatient", "VisitDateTime": "2016-09-21T20:00:00.000-0400",
		"Duration": 15, "Balance": "12.50", "Reason": "Check\u0000up", "Instructions": [], "Sparkle": {"Deep": [1, 2.50]},
		"AttendingProvider": {"ID": "4356789876", "IDType": "NPI", "LastName": "Granite", "Credentials": ["MD"], "Address": {}},
		"ConsultingProvider": {"ID": null, "Credentials": [], "Address": {}, "Location": {"FacilityIdentifiers": []}},
		"AdditionalStaff": [{"ID": "77", "Role": {"Code": "RN"}}],
		"Location": {"Type": "Inpatient", "Facility": "RES", "Department": "3N", "Room": 136, "Bed": "B", "Address": {"State": "WI"}},
		"Insurances": [{"Plan": {"ID": "31572", "Name": "HMO"}, "Company": {"Name": "aetna"}, "EffectiveDate": "2015-01-01", "ExpirationDate": "soon", "MemberNumber": 7}]
	}
}`

// TestAnArrivalCellByCell writes down what the rows of one message are, from the reference alone.
func TestAnArrivalCellByCell(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	w.push([]byte(arrivalMessage))
	w.drain()
	patient := cells{"source_id": "7ce6f387", "patient_id_type": "MR", "patient_id": "0000000001"}
	visit := cells{"source_id": "7ce6f387", "visit_number": "12345678901234567890"}
	event := cells{"event_type": "Arrival", "facility_code": "RGH"}
	for _, c := range []struct {
		table, order string
		want         []cells
	}{
		{"ward.patient", "1", []cells{patient.and(event).and(cells{
			"demographics_first_name": "Timothy", "demographics_last_name": `O'Bixby \ Ünï`, "demographics_dob": "2008-01-06", "demographics_is_hispanic": "false",
			"demographics_nickname": "Tim", "demographics_phone_number_home": "+18088675301", "demographics_citizenship": `["US","DE"]`,
			"demographics_address_city": "Monroe", "demographics_address_zip": "53566", "notes": `["first","second"]`,
		})}},
		{"ward.patient_identifier", "id_type", []cells{
			patient.and(cells{"id_type": "EHRID", "id": "41962259"}), patient.and(cells{"id_type": "MR", "id": "0000000001"}),
		}},
		{"ward.contact", "ordinal", []cells{
			patient.and(cells{"ordinal": "1", "first_name": "Barbara", "phone_number_office": "+17077543758", "roles": `["Emergency Contact"]`}),
			patient.and(cells{"ordinal": "2", "first_name": "Kent"}),
		}},
		{"ward.allergy", "ordinal", []cells{patient.and(cells{
			"ordinal": "1", "code": "7982", "codeset": "RxNorm", "name": "Penicillin", "onset_date_time_text": "2016", "reaction": `[{"Code":"28926001"}]`,
			"_nonconforming": `{"onset_date_time":"2016"}`,
		})}},
		{"ward.visit", "1", []cells{visit.and(event).and(cells{
			"patient_id_type": "MR", "patient_id": "0000000001", "status": "in progress", "patient_class": "Inpatient",
			"visit_date_time": "2016-09-22T00:00:00+00:00", "visit_date_time_text": "2016-09-21T20:00:00.000-0400", "duration": "15", "balance": "12.50",
			"location_type": "Inpatient", "location_facility": "RES", "location_department": "3N", "location_room": "136", "location_bed": "B",
			"attending_provider_id": "4356789876", "attending_provider_id_type": "NPI", "attending_provider_last_name": "Granite",
			"_nonconforming": `{"reason":"Check\\u0000up"}`, "_extra": `{"Visit.Sparkle":"{\"Deep\": [1, 2.50]}"}`,
		})}},
		{"ward.visit_provider", "role", []cells{
			visit.and(cells{"role": "attending", "ordinal": "1", "id": "4356789876", "id_type": "NPI", "last_name": "Granite", "credentials": `["MD"]`}),
			visit.and(cells{"role": "staff", "ordinal": "1", "id": "77", "role_code": "RN"}),
		}},
		{"ward.visit_location", "role", []cells{visit.and(cells{
			"role": "current", "ordinal": "1", "type": "Inpatient", "facility": "RES", "department": "3N", "room": "136", "bed": "B", "address_state": "WI",
		})}},
		{"ward.coverage", "ordinal", []cells{visit.and(cells{
			"ordinal": "1", "plan_id": "31572", "plan_name": "HMO", "company_name": "aetna", "effective_date": "2015-01-01", "member_number": "7",
			"_nonconforming": `{"expiration_date":"soon"}`,
		})}},
		{"ward.visit_event", "1", []cells{event.and(cells{
			"source_id": "7ce6f387", "event_id": "log:log-1", "event_at": "2026-02-03T08:00:00.125+00:00", "event_at_text": "2026-02-03T08:00:00.125Z", "patient_id_type": "MR", "patient_id": "0000000001",
			"visit_number": "12345678901234567890", "patient_class": "Inpatient", "visit_date_time": "2016-09-22T00:00:00+00:00",
			"visit_date_time_text": "2016-09-21T20:00:00.000-0400", "location_facility": "RES", "location_department": "3N", "location_room": "136", "location_bed": "B",
		})}},
		{"ward.visit_filled", "1", nil},
	} {
		w.same(c.table, c.order, c.want)
	}
	if got := w.rowsOf("SELECT state, model, event_type, source_id, dedupe_key, event_at::text, test::text FROM syncd.delivery"); len(got) != 1 ||
		got[0] != "applied|PatientAdmin|Arrival|7ce6f387|log:log-1|2026-02-03 08:00:00.125+00|false" {
		t.Errorf("delivery: %q", got)
	}
}

// same compares the rows of a table; nil wants one row of whatever kind.
func (w *ward) same(table, order string, want []cells) {
	w.t.Helper()
	got := w.cellsOf(table, order)
	if want == nil && len(got) == 1 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", table, diff)
	}
}

const (
	resultsMessage = `{
	"Meta": {"DataModel": "Results", "EventType": "New", "EventDateTime": "2026-02-03T08:0%d:00Z", "Source": {"ID": "s"}, "Logs": [{"ID": "r%[1]d"}]},
	"Patient": {"Identifiers": [{"ID": "1", "IDType": "MR"}], "Demographics": {"LastName": "Bixby"}},
	"Orders": [{"ID": 157968300, "ApplicationOrderID": "A1", "ResultsStatus": %q, "CompletionDateTime": "2015-05-06T06:00:58.872Z", "Priority": "Stat",
		"Procedure": {"Code": "49086-2", "Codeset": "LOINC"}, "Results": [%s]}],
	"Visit": {"VisitNumber": "v1", "AccountNumber": "acc"}
}`
	preliminary = `{"Code": "NA", "Codeset": "L", "Value": "4.10", "ValueType": "Numeric", "Units": "mmol/L", "Status": "Preliminary", "ReferenceRange": {"Low": 1.50, "High": "9"},
			"Notes": ["n1", "n2"]},
		{"Code": "K", "Value": 4, "Status": "Preliminary"}, {"Code": "CL", "Value": "100", "Status": "Preliminary"}`
	corrected = `{"Code": "NA", "Codeset": "L", "Value": "5", "ValueType": "Numeric", "Status": "Corrected", "CompletionDateTime": "2007-04-05T12:30-0200"},
		{"Code": "PDF", "Value": "aGVsbG8=", "ValueType": "Encapsulated Data", "FileType": "PDF", "Status": "Final"}`
)

// TestResultsCellByCell has an order's results corrected: the new set takes the place of the old one as a whole.
func TestResultsCellByCell(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	order := cells{"source_id": "s", "order_id_of": "ID", "order_id": "157968300"}
	head := order.and(cells{
		"event_type": "New", "patient_id_type": "MR", "patient_id": "1", "visit_number": "v1", "patient": `{"Demographics":{"LastName":"Bixby"}}`, "visit": `{"AccountNumber":"acc"}`,
		"application_order_id": "A1", "completion_date_time": "2015-05-06T06:00:58.872+00:00", "completion_date_time_text": "2015-05-06T06:00:58.872Z", "priority": "Stat",
		"procedure_code": "49086-2", "procedure_codeset": "LOINC",
	})
	w.push(fmt.Appendf(nil, resultsMessage, 1, "Preliminary", preliminary))
	w.drain()
	w.same("ward.result_order", "1", []cells{head.and(cells{"results_status": "Preliminary"})})
	w.same("ward.result", "ordinal", []cells{
		order.and(cells{
			"ordinal": "1", "code": "NA", "codeset": "L", "value": "4.10", "value_type": "Numeric", "units": "mmol/L", "status": "Preliminary",
			"reference_range_low": "1.50", "reference_range_high": "9",
		}),
		order.and(cells{"ordinal": "2", "code": "K", "value": "4", "status": "Preliminary"}), order.and(cells{"ordinal": "3", "code": "CL", "value": "100", "status": "Preliminary"}),
	})
	w.same("ward.result_note", "ordinal", []cells{
		order.and(cells{"result_ordinal": "1", "ordinal": "1", "text": "n1"}), order.and(cells{"result_ordinal": "1", "ordinal": "2", "text": "n2"}),
	})

	w.push(fmt.Appendf(nil, resultsMessage, 2, "Final", corrected))
	w.drain()
	w.same("ward.result_order", "1", []cells{head.and(cells{"results_status": "Final"})})
	w.same("ward.result", "ordinal", []cells{
		order.and(cells{
			"ordinal": "1", "code": "NA", "codeset": "L", "value": "5", "value_type": "Numeric", "status": "Corrected",
			"completion_date_time": "2007-04-05T14:30:00+00:00", "completion_date_time_text": "2007-04-05T12:30-0200",
		}),
		order.and(cells{"ordinal": "2", "code": "PDF", "value_type": "Encapsulated Data", "file_type": "PDF", "status": "Final"}),
	})
	w.same("ward.result_note", "ordinal", []cells(nil))
	w.same("ward.result_document", "1", []cells{order.and(cells{"result_ordinal": "2", "code": "PDF", "file_type": "PDF", "file_contents": `\x68656c6c6f`})})
	if n := askWard[int](w, "SELECT count(*) FROM ward_history.result"); n != 5 {
		t.Errorf("%d results in the history, want 3 + 2", n)
	}
}

const bookingMessage = `{
	"Meta": {"DataModel": "Scheduling", "EventType": %q, "EventDateTime": "2026-02-03T08:0%d:00Z", "Source": {"ID": "s"}, "Logs": [{"ID": "b%[2]d"}]},
	"Patient": {"Identifiers": [{"ID": "1", "IDType": "MR"}]},
	"AppointmentInfo": [{"Code": "23457", "Description": "Priority", "Value": "Normal"}, {"Code": "23458", "Description": "Form", "Value": "Lumbar"}],
	"Visit": {%s, "Duration": 15.5, "Reason": "Check up", "VisitProvider": {"ID": "43", "IDType": "NPI", "FirstName": "Pat"},
		"Location": {"Department": "3N", "Room": "136"}, "Diagnoses": [{"Code": "R07.0", "Codeset": "ICD-10"}], "Equipment": []}
}`

// TestAnAppointmentCellByCell books an appointment and has it rescheduled under another number.
func TestAnAppointmentCellByCell(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	w.push(fmt.Appendf(nil, bookingMessage, "New", 1, `"VisitNumber": "a1", "VisitDateTime": "2026-03-01"`),
		fmt.Appendf(nil, bookingMessage, "Reschedule", 2, `"VisitNumber": "a2", "OldVisitNumber": "a1", "VisitDateTime": "2026-03-02T09:00:00Z", "OldDateTime": "2026-03-01"`))
	w.drain()
	common := cells{
		"source_id": "s", "patient_id_type": "MR", "patient_id": "1", "duration": "15.5", "reason": "Check up", "location_department": "3N", "location_room": "136",
		"visit_provider_id": "43", "visit_provider_id_type": "NPI", "visit_provider_first_name": "Pat",
	}
	second := common.and(cells{
		"visit_number": "a2", "event_type": "Reschedule", "old_visit_number": "a1", "visit_date_time": "2026-03-02T09:00:00+00:00", "visit_date_time_text": "2026-03-02T09:00:00Z",
		"old_date_time_text": "2026-03-01", "old_date_time": "2026-03-01T00:00:00+00:00",
	})
	w.same("ward.appointment", "visit_number", []cells{
		common.and(cells{"visit_number": "a1", "event_type": "New", "visit_date_time": "2026-03-01T00:00:00+00:00", "visit_date_time_text": "2026-03-01"}), second,
	})
	w.same("ward.appointment_current", "1", []cells{second})
	w.same("ward.appointment_replacement", "1", []cells{{
		"source_id": "s", "old_visit_number": "a1", "visit_number": "a2", "event_type": "Reschedule", "event_id": "log:b2",
		"old_date_time": "2026-03-01T00:00:00+00:00", "old_date_time_text": "2026-03-01",
	}})
	var infos, providers []cells
	for _, number := range []string{"a1", "a2"} {
		of := cells{"source_id": "s", "visit_number": number}
		infos = append(infos, of.and(cells{"ordinal": "1", "code": "23457", "description": "Priority", "value": "Normal"}),
			of.and(cells{"ordinal": "2", "code": "23458", "description": "Form", "value": "Lumbar"}))
		providers = append(providers, of.and(cells{"role": "visit", "ordinal": "1", "id": "43", "id_type": "NPI", "first_name": "Pat"}))
	}
	w.same("ward.appointment_info", "visit_number, ordinal", infos)
	w.same("ward.appointment_provider", "visit_number", providers)
}
