package redox

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
)

// fieldOf is a field of a published schema: its path, type, and whether it is required.
type fieldOf struct{ path, kind string }

// published are the fields of every event type of the published schemas, as "patientadmin.Arrival".
func published(t *testing.T) map[string][]fieldOf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, "datamodel", "field-map.json"))
	if err != nil {
		t.Skip("no fixtures beside the repository: ../shared/fixtures/redox is missing")
	}
	var raw map[string][][3]any
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	all := map[string][]fieldOf{}
	for event, rows := range raw {
		for _, r := range rows {
			all[event] = append(all[event], fieldOf{r[0].(string), r[1].(string)})
		}
	}
	return all
}

// least is what a message of a model must have so that its rows have keys.
var least = map[string][]string{
	"PatientAdmin":       {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Visit.VisitNumber"},
	"Scheduling":         {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Visit.VisitNumber", "Slots[].ID", "Meta.BatchID", "Meta.CurrentBatch"},
	"SurgicalScheduling": {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "SurgicalCase.Number"},
	"Order":              {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Order.ID", "Orders[].ID"},
	"Results":            {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Orders[].ID"},
	"Notes":              {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Note.DocumentID"},
	"Media":              {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Media.DocumentID"},
	"Medications":        {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Order.ID", "Administrations[].Medication.Order.ID"},
	"Vaccination":        {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Vaccinations[].Order.ID"},
	"Flowsheet":          {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Observations[].Code"},
	"Device":             {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Device.ID", "Observations[].Code"},
	"Financial":          {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Transactions[].ID", "Visit.VisitNumber"},
	"Claim": {
		"Transaction.ID", "Claims[].ID", "Transactions[].ID", "Transactions[].Submissions[].Subscribers[].Patients[].Claims[].SubmissionNumber",
		"Payments[].Claim.Number", "Transactions[].Payments[].Claims[].ControlNumber", "Patient.Identifiers[].ID", "Payments[].Patient.Identifiers[].ID",
		"Transactions[].Payments[].Patient.Identifiers[].ID", "Transactions[].Submissions[].Subscribers[].Patients[].Identifiers[].ID",
	},
	"Referral":         {"Patient.Identifiers[].ID", "Referral.ID", "Authorization.Request.ID"},
	"Provider":         {"Providers[].Identifiers[].ID"},
	"Organization":     {"Organizations[].Identifiers[].ID"},
	"Inventory":        {"Patient.Identifiers[].ID", "Items[].Identifiers[].ID"},
	"ClinicalSummary":  {"Header.Patient.Identifiers[].ID", "Header.Document.ID"},
	"PatientEducation": {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Education[].InstanceID"},
	"Research":         {"Patient.Identifiers[].ID", "Patient.Identifiers[].IDType", "Study.Identifiers[].ID"},
}

// left are fields that go into no table of their model, and why: they stay in the bytes of the delivery. A path ends in '*' where it
// stands for all that begin so; an event stands before it where it holds for that alone.
var left = map[string]string{
	"Meta.DataModel":         "says which tables",
	"Meta.EventDateTime":     "the version",
	"Meta.Destinations[]*":   "who we are",
	"Meta.Logs[]*":           "the delivery's key",
	"Meta.Message*":          "out of use; of the delivery",
	"Meta.Transmission*":     "out of use; of the delivery",
	"Meta.Source.Name":       "Meta.Source.ID says it",
	"Meta.Test":              "says which schema",
	"Notes.Delete Note.*":    "a document that is taken away has no columns",
	"Notes.Delete Patient.*": "the same",
	"Notes.Delete Visit.*":   "the same",
	"Notes.Delete Orders[]*": "the same",
	"Media.Delete Media.*":   "the same",
	"Media.Delete Patient.*": "the same",
	"Media.Delete Visit.*":   "the same",
	"Media.Delete Orders[]*": "the same",
	"Medications.Administration Patient.Demographics*":              "who a patient is stands not beside every dose",
	"Medications.Administration Patient.Notes[]":                    "the same",
	"Medications.Administration Visit.*":                            "of the visit its number; what else there is stands not beside every dose",
	"Vaccination.New Patient.Demographics*":                         "who a patient is stands not beside every dose",
	"Vaccination.New Patient.Notes[]":                               "who a patient is stands not beside every dose",
	"Vaccination.New Patient.Contacts[]*":                           "who a patient is stands not beside every dose",
	"Vaccination.New Patient.Consent*":                              "who a patient is stands not beside every dose",
	"Vaccination.Administration Patient.Demographics*":              "who a patient is stands not beside every dose",
	"Vaccination.Administration Patient.Notes[]":                    "who a patient is stands not beside every dose",
	"Vaccination.Administration Patient.Contacts[]*":                "who a patient is stands not beside every dose",
	"Vaccination.Administration Patient.Consent*":                   "who a patient is stands not beside every dose",
	"Flowsheet.New Patient.Demographics*":                           "who a patient is stands not beside every value",
	"Flowsheet.New Patient.Notes[]":                                 "who a patient is stands not beside every value",
	"Flowsheet.New Patient.Contacts[]*":                             "who a patient is stands not beside every value",
	"Device.New Patient.Demographics*":                              "who a patient is stands not beside every value",
	"Device.New Patient.Notes[]":                                    "who a patient is stands not beside every value",
	"Device.New Patient.Contacts[]*":                                "who a patient is stands not beside every value",
	"Financial.Transaction Patient.Demographics*":                   "who a patient is stands not beside every charge",
	"Financial.Transaction Patient.Notes[]":                         "who a patient is stands not beside every charge",
	"Inventory.Deplete Patient.Demographics*":                       "who a patient is stands not beside every item",
	"Inventory.Deplete Patient.Notes[]":                             "who a patient is stands not beside every item",
	"Vaccination.New Visit.AccountNumber":                           "of the visit its number",
	"Vaccination.Administration Visit.AccountNumber":                "of the visit its number",
	"Flowsheet.New Visit.Location*":                                 "where a patient lay is in the tables of visits",
	"Flowsheet.New Visit.VisitDateTime":                             "when the visit was is in the tables of visits",
	"Device.New Visit.Location*":                                    "where a patient lay is in the tables of visits",
	"PatientEducation.Delete *":                                     "what is taken away has no columns",
	"ClinicalSummary.PatientPush Header.Patient.Identifiers[].Type": "stands in the identifier's _extra",
	"ClinicalSummary.VisitPush Header.Patient.Identifiers[].Type":   "the same",
	"PatientAdmin.VisitMerge Visit.*":                               "a merge of visits has no state of a visit",
}

// leftOut reports whether a field is among those that are left.
func leftOut(event, path string) bool {
	for pattern := range left {
		of, rest, scoped := strings.Cut(pattern, " ")
		if !scoped {
			of, rest = event, pattern
		}
		if prefix, all := strings.CutSuffix(rest, "*"); of == event && (path == rest || all && strings.HasPrefix(path, prefix)) {
			return true
		}
	}
	return false
}

// sample is a value of a field.
func sample(f fieldOf) any {
	name := f.path[strings.LastIndex(f.path, ".")+1:]
	switch {
	case strings.Contains(f.kind, "Number"):
		return 7
	case strings.Contains(f.kind, "bool"):
		return true
	case strings.HasPrefix(f.kind, "List"):
		return []any{"one", "two"}
	case strings.Contains(name, "Date"), name == "DOB", strings.HasSuffix(name, "Time"):
		return "2020-02-03T00:00:00.000Z"
	}
	return "a text"
}

// put sets the value at a path of a document; every array on the way has one element.
func putAt(doc map[string]any, path string, value any) {
	at := doc
	names := strings.Split(path, ".")
	for i, name := range names {
		plain, list := strings.CutSuffix(name, "[]")
		if i == len(names)-1 {
			at[plain] = value
			return
		}
		next, ok := at[plain].(map[string]any)
		if of, isList := at[plain].([]any); isList {
			next, ok = of[0].(map[string]any), true
		}
		if !ok {
			next = map[string]any{}
			at[plain] = next
			if list {
				at[plain] = []any{next}
			}
		}
		at = next
	}
}

// told is all that the live rows of a message hold: cells and notes, without what nobody declared.
func told(t *testing.T, doc map[string]any) string {
	t.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	g := everything("MR")
	d := delivery(1, string(body))
	d.EventAt = noon
	g.add(d)
	b := g.batch()
	if b.Settled[0].Outcome != extract.Applied {
		t.Fatalf("%s: %s %s", body, b.Settled[0].Outcome, b.Settled[0].Reason)
	}
	var s strings.Builder
	for _, rows := range b.Rows {
		for i := range rows.Len() {
			fmt.Fprintf(&s, "%s%s:", rows.Table.Side, rows.Table.Name)
			for j := range rows.Table.Columns {
				cell, ok := rows.Cell(i, j)
				fmt.Fprintf(&s, "%q %v,", cell, ok)
			}
		}
		for _, n := range rows.Notes() {
			if n.Kind != extract.Extra {
				fmt.Fprintf(&s, "%+v", n)
			}
		}
	}
	return s.String()
}

func TestEveryPublishedFieldHasItsPlace(t *testing.T) {
	fields, checked := published(t), 0
	for _, m := range models() {
		for _, event := range slices.Sorted(maps.Keys(fields)) {
			of, kind, _ := strings.Cut(event, ".")
			if of != strings.ToLower(m.name) || eventOf(m.name, kind) != pushedEvent || least[m.name] == nil {
				continue
			}
			base := func() map[string]any {
				doc := map[string]any{}
				putAt(doc, "Meta.DataModel", m.name)
				putAt(doc, "Meta.EventType", kind)
				putAt(doc, "Meta.Source.ID", "source")
				for _, path := range least[m.name] {
					if slices.ContainsFunc(fields[event], func(f fieldOf) bool { return f.path == path }) {
						putAt(doc, path, "key")
					}
				}
				return doc
			}
			without := told(t, base())
			for _, f := range fields[event] {
				if f.kind == "object" || f.kind == "array" {
					continue
				}
				checked++
				doc := base()
				putAt(doc, f.path, sample(f))
				if f.path == "Meta.DataModel" || f.path == "Meta.EventType" || leftOut(m.name+"."+kind, f.path) {
					continue
				}
				if told(t, doc) == without {
					t.Errorf("%s.%s: %s goes nowhere", m.name, kind, f.path)
				}
			}
		}
	}
	t.Logf("%d fields", checked)
}
