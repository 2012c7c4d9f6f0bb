package redox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// replay reads messages in the order of their events and keeps of each thing what was said last: the plain way to a truth, which
// knows nothing of the hospital that the messages come from.
func replay(t *testing.T, all []*Message) *Truth {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *Message) int { return a.EventAt.Compare(b.EventAt) })
	r := &replayed{t: (&History{edges: map[ID]edge{}}).Truth(), merged: map[ID]merged{}}
	for i, m := range all {
		r.t.Source = m.Source
		var tree map[string]any
		decoder := json.NewDecoder(strings.NewReader(string(m.Body)))
		decoder.UseNumber()
		if err := decoder.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		r.message(i, m, tree)
	}
	for id := range r.t.Survivors {
		r.t.Survivors[id] = r.follow(id, len(r.merged)+1)
	}
	return r.t
}

type merged struct {
	into ID
	at   int
}

type replayed struct {
	t      *Truth
	merged map[ID]merged
}

// at returns the text at a path, empty where there is none.
func at(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		o, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = o[name]
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func rowOf(event string, v any, paths ...string) Row {
	r := row(EventType, event)
	for _, p := range paths {
		if text := at(v, p); text != "" {
			r[p] = text
		}
	}
	return r
}

func idsOf(v any) (ids []ID) {
	all, _ := v.([]any)
	for _, one := range all {
		ids = append(ids, ID{at(one, "IDType"), at(one, "ID")})
	}
	return ids
}

func (r *replayed) message(i int, m *Message, tree map[string]any) {
	patient, _ := tree["Patient"].(map[string]any)
	mr := idsOf(patient["Identifiers"])[0]
	r.t.Survivors[mr] = mr
	switch m.Model {
	case "PatientAdmin":
		r.t.Patients[mr] = rowOf(m.EventType, patient, "Demographics.FirstName", "Demographics.LastName", "Demographics.DOB", "Demographics.MaritalStatus",
			"Demographics.PhoneNumber.Home", "Demographics.Address.City", "Demographics.Address.ZIP")
		for _, old := range idsOf(patient["PreviousIdentifiers"]) {
			r.merged[old], r.t.Aliases[old] = merged{mr, i}, mr
			if old.Type == "MR" {
				r.t.Survivors[old] = old
			}
		}
		if v := tree["Visit"]; v != nil {
			r.visit(m.EventType, at(tree, "Meta.CanceledEvent"), v)
		}
	case "Order":
		o := tree["Order"]
		r.t.Orders[at(o, "ID")] = rowOf(m.EventType, o, "Status", "Priority", "Procedure.Code", "TransactionDateTime")
	case "Results":
		for _, o := range tree["Orders"].([]any) {
			r.results(m.EventType, o)
		}
	case "Scheduling":
		v := tree["Visit"]
		r.t.Appointments[at(v, "VisitNumber")] = rowOf(m.EventType, v, "VisitDateTime", "Duration", "Status", "Reason", "CancelReason")
		if old := at(v, "OldVisitNumber"); old != "" {
			r.t.Rebooked[old] = at(v, "VisitNumber")
		}
	case "Notes":
		r.note(m.EventType, tree["Note"])
	case "Medications":
		r.medication(m.EventType, tree)
	}
}

func (r *replayed) visit(event, canceled string, v any) {
	one := rowOf(event, v, "AccountNumber", "PatientClass", "VisitDateTime", "AttendingProvider.ID", "Location.Department", "Location.Room", "Location.Bed", "DischargeDateTime")
	switch {
	case event == "PreAdmit":
		one[Status] = "planned"
	case event == "Cancel" && canceled == "Discharge":
		one[Status] = "in progress"
		delete(one, "DischargeDateTime")
	case event == "Cancel":
		one[Status] = "cancelled"
	case one["DischargeDateTime"] != "":
		one[Status] = "finished"
	default:
		one[Status] = "in progress"
	}
	r.t.Visits[at(v, "VisitNumber")] = one
}

func (r *replayed) results(event string, o any) {
	number := at(o, "ID")
	r.t.ResultOrders[number] = rowOf(event, o, "ResultsStatus", "ApplicationOrderID", "CompletionDateTime")
	for key := range r.t.Results {
		if key.Of == number {
			delete(r.t.Results, key)
		}
	}
	for i, one := range o.(map[string]any)["Results"].([]any) {
		found := rowOf("", one, "Code", "Codeset", "Value", "Units", "Status")
		r.t.Results[Nth{number, i + 1}] = found
	}
}

func (r *replayed) note(event string, n any) {
	number := at(n, "DocumentID")
	if event == "Delete" {
		delete(r.t.Notes, number)
		return
	}
	r.t.Notes[number] = rowOf(event, n, "FileContents", "OriginalDocumentID", "ServiceDateTime")
	if event == "Replace" {
		r.t.NoteReplacements[at(n, "OriginalDocumentID")] = number
	}
}

func (r *replayed) medication(event string, tree map[string]any) {
	if event != "Administration" {
		o := tree["Order"]
		r.t.Medications[at(o, "ID")] = rowOf(event, o, "Medication.Dose.Quantity", "Medication.Product.Code", "Medication.StartDate")
		return
	}
	for _, a := range tree["Administrations"].([]any) {
		r.t.Administrations[Given{at(a, "Medication.Order.ID"), at(a, "StartDate"), at(a, "Medication.Product.Code")}] = rowOf("", a, "Status")
	}
}

// follow goes along the merges. After so many steps it is in a circle, which it leaves where it is oldest.
func (r *replayed) follow(id ID, steps int) ID {
	for range steps {
		m, ok := r.merged[id]
		if !ok {
			return id
		}
		id = m.into
	}
	oldest := id
	for next := r.merged[id].into; next != id; next = r.merged[next].into {
		if r.merged[next].at < r.merged[oldest].at {
			oldest = next
		}
	}
	return oldest
}
