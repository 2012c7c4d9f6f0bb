package redox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

// shown are the live rows of a table in a batch, one line each: the named columns, NULL as "-", and its notes.
func shown(b *extract.Batch, table string, columns ...string) []string {
	var lines []string
	for _, rows := range b.Rows {
		if rows.Table.Side != extract.Live || rows.Table.Name != table {
			continue
		}
		for i := range rows.Len() {
			var cells []string
			for _, want := range columns {
				j := slices.IndexFunc(rows.Table.Columns, func(c extract.Column) bool { return c.Name == want })
				cell, ok := []byte("no such column"), true
				if j >= 0 {
					cell, ok = rows.Cell(i, j)
				}
				if !ok {
					cell = []byte("-")
				}
				cells = append(cells, string(cell))
			}
			for _, n := range rows.Notes() {
				if n.Row == i {
					cells = append(cells, n.Column+"~"+n.Value)
				}
			}
			lines = append(lines, strings.Join(cells, " | "))
		}
	}
	slices.Sort(lines)
	return lines
}

// fhirMessageOf is a message as Redox pushes it: an event about what the first of the entries is.
func fhirMessageOf(seq int64, event string, entries ...string) *extract.Delivery {
	return delivery(seq, fmt.Sprintf(`{"resourceType":"Bundle","type":"message","timestamp":%q,"entry":[{"fullUrl":"urn:uuid:h%d","resource":{
		"resourceType":"MessageHeader","eventUri":"https://fhir.redoxengine.com/EventDefinition/%s","source":{"endpoint":"urn:uuid:site"},
		"focus":[{"reference":"urn:uuid:0"}]}},%s]}`,
		noon.Add(time.Duration(seq)*time.Minute).Format(time.RFC3339), seq, event, strings.Join(entries, ",")))
}

// entryOf is an entry whose fullUrl is urn:uuid: and a number.
func entryOf(number int, resource string) string {
	return fmt.Sprintf(`{"fullUrl":"urn:uuid:%d","resource":%s}`, number, resource)
}

// batchOf decodes deliveries into one batch that can be loaded, and fails where one of them was not applied.
func batchOf(t *testing.T, types []string, deliveries ...*extract.Delivery) *extract.Batch {
	t.Helper()
	g := everything(types...)
	for _, d := range deliveries {
		g.add(d)
	}
	b := g.batch()
	check(t, b)
	for _, s := range b.Settled {
		if s.Outcome != extract.Applied {
			t.Fatalf("delivery %d: %s %s", s.Seq, s.Outcome, s.Reason)
		}
	}
	return b
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryRecordedResourceOfFHIRIsKept(t *testing.T) {
	type entry struct{ Resource map[string]any }
	for name, body := range payloads(t, "fhir-r4") {
		var doc struct {
			ResourceType string
			Entry        []entry
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.ResourceType != "Bundle" {
			doc.Entry = []entry{{map[string]any{"resourceType": doc.ResourceType}}}
		}
		want := 0
		for _, e := range doc.Entry {
			if e.Resource["resourceType"] != nil && e.Resource["resourceType"] != "MessageHeader" {
				want++
			}
		}
		b := batchOf(t, nil, delivery(1, body))
		inEntries := 0
		for _, line := range shown(b, "fhir_entry", "resource") {
			if line != "-" {
				inEntries++
			}
		}
		if got := len(shown(b, "fhir_resource")) + inEntries; got != want {
			t.Errorf("%s: %d resources are kept of %d", name, got, want)
		}
		if got := len(shown(b, "fhir_message")); got != 1 {
			t.Errorf("%s: %d messages", name, got)
		}
		if doc.ResourceType == "Bundle" && len(shown(b, "fhir_entry")) != len(doc.Entry) {
			t.Errorf("%s: %d entries of %d", name, len(shown(b, "fhir_entry")), len(doc.Entry))
		}
		for _, r := range b.Rejects {
			t.Errorf("%s: reject of %s: %s", name, r.Table.Name, r.Rule)
		}
	}
}

func TestReferencesAreResolvedInTheMessageAlone(t *testing.T) {
	body, ok := payloads(t, "fhir-r4")["Bundle-bundle-references.json"]
	if !ok {
		t.Skip("the example of references is missing among the fixtures")
	}
	b := batchOf(t, nil, delivery(1, body))
	expect(t, shown(b, "fhir_observation", "resource_id", "subject_reference", "subject_type", "subject_system", "subject_value"),
		"12 | urn:uuid:04121321-4af5-424c-a0e1-ed3aab1c349d | Patient | - | "+delivery(1, body).Key+"#2",
		"123 | Patient/23 | Patient | http://example.org/ids | 1234567",
		"124 | http://example.org/fhir/Patient/23 | Patient | http://example.org/ids | 1234567",
		"14 | Patient/23 | Patient | - | -", // of another server
		"14 | http://example.org/fhir-2/Patient/1 | Patient | - | -",
		"47 | Patient/45/_history/2 | Patient | - | "+delivery(1, body).Key+"#9",
		"48 | - | - | http://example.org/ids | 1234567")
}

func TestAResourceIsKnownByAnIdentifierAndNotByItsID(t *testing.T) {
	for _, c := range []struct {
		name, resource, system, value string
		types                         []string
	}{
		{"the smallest of several", `"identifier":[{"system":"b","value":"1"},{"system":"a","value":"2"},{"system":"a","value":"10"}]`, "a", "10", nil},
		{"the one that is trusted", `"identifier":[{"system":"a","value":"1"},{"system":"mrn","value":"2"}]`, "mrn", "2", []string{"mrn"}},
		{"none that is old", `"identifier":[{"system":"a","value":"1","use":"old"},{"system":"b","value":"2"}]`, "b", "2", nil},
		{"an old one where there is no other", `"identifier":[{"system":"a","value":"1","use":"old"}]`, "a", "1", nil},
		{"a number", `"identifier":[{"value":41962259000000001}]`, "", "41962259000000001", nil},
		{"one that is no list", `"identifier":{"system":"a","value":"1"}`, "a", "1", nil},
		{"nothing without a value", `"identifier":[{"system":"a"},{"system":"b","value":""},{"value":"\u0000"}],"id":"x"`, "", "log:1ns#2", nil},
	} {
		b := batchOf(t, c.types, fhirMessageOf(1, "PatientAdminCreated", entryOf(0, `{"resourceType":"Patient",`+c.resource+`}`)))
		got := shown(b, "fhir_patient", "source_id", "identifier_system", "identifier_value")
		if want := []string{"site | " + c.system + " | " + c.value}; !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
	document := `{"resourceType":"DocumentReference","masterIdentifier":{"system":"m","value":"1"},"status":"current"}`
	b := batchOf(t, nil, fhirMessageOf(1, "DocumentReferenceCreated", entryOf(0, document)))
	expect(t, shown(b, "fhir_document_reference", "identifier_system", "identifier_value", "master_value"), "m | 1 | 1")
	expect(t, shown(b, "fhir_identifier", "resource_type", "system", "value"), "DocumentReference | m | 1")
}

func TestAnyOrderOfFHIRMessagesGivesOneResult(t *testing.T) {
	patient := func(id int, rest string) string {
		return entryOf(0, fmt.Sprintf(`{"resourceType":"Patient","id":"r%d","identifier":[{"system":"mrn","value":"1"}]%s}`, id, rest))
	}
	order := `{"resourceType":"ServiceRequest","identifier":[{"system":"o","value":"7"}],"status":"active","subject":{"reference":"urn:uuid:1"}}`
	events := []*extract.Delivery{
		fhirMessageOf(1, "PatientAdminCreated", patient(1, `,"name":[{"family":"A"}]`)),
		fhirMessageOf(2, "PatientAdminUpdated", patient(2, `,"name":[{"family":"B"}],"identifier2":1`)),
		fhirMessageOf(3, "OrderCreated", entryOf(0, order), entryOf(1, `{"resourceType":"Patient","identifier":{"system":"mrn","value":"1"}}`)),
		fhirMessageOf(4, "OrderCancelled", entryOf(0, `{"resourceType":"ServiceRequest","identifier":[{"system":"o","value":"7"}]}`)),
		fhirMessageOf(5, "PatientAdminMerged", patient(5, `,"link":[{"type":"replaced-by","other":{"identifier":{"system":"mrn","value":"2"}}}]`)),
	}
	want := loaded(t, events, func(int) bool { return true })
	for table, column := range map[string]string{"fhir_patient": "merged", "fhir_service_request": "cancelled"} {
		if got := want.value(projections[map[string]string{"fhir_patient": "Patient", "fhir_service_request": "ServiceRequest"}[table]].entity, table, "ended", ""); got != column {
			t.Errorf("%s has ended as %s", table, got)
		}
	}
	permute(events, func(order []*extract.Delivery) {
		for _, cut := range []func(int) bool{func(int) bool { return false }, func(i int) bool { return i%2 == 0 }} {
			if got := loaded(t, order, cut).digest(); got != want.digest() {
				t.Fatalf("another order gives another result:\n%s\nwant\n%s", got, want.digest())
			}
		}
	})
}

func TestADocumentHasItsContentsAsBytesAndItsEventAsItsEnd(t *testing.T) {
	document := `{"resourceType":"DocumentReference","identifier":[{"value":"d"}],"status":"current","subject":{"reference":"urn:uuid:1"},
		"type":{"coding":[{"system":"loinc","code":"34108-1","display":"Note"}],"text":"a note"},
		"content":[{"attachment":{"contentType":"text/plain","data":"aGk=","size":2,"title":"t"},"format":{"code":"f"}},
			{"attachment":{"url":"http://169.254.169.254/x","data":"not base64!"}}],
		"relatesTo":[{"code":"replaces","target":{"identifier":{"system":"s","value":"before"}}}]}`
	patient := `{"resourceType":"Patient","identifier":[{"system":"mrn","value":"1"}],"status":"current"}`
	b := batchOf(t, nil, fhirMessageOf(1, "DocumentReferenceDeleted", entryOf(0, document), entryOf(1, patient)))
	expect(t, shown(b, "fhir_document_reference", "status", "ended", "type_system", "type_code", "type_display", "type_text", "subject_value",
		"relates_to_code", "relates_to_value"), "current | deleted | loinc | 34108-1 | Note | a note | 1 | replaces | before")
	expect(t, shown(b, "fhir_attachment", "ordinal", "attachment_content_type", "attachment_data", "attachment_data_text", "attachment_url", "format_code"),
		`1 | text/plain | \x6869 | - | - | f`, "2 | - | - | not base64! | http://169.254.169.254/x | -")
	expect(t, shown(b, "fhir_patient", "ended"), "-") // the event is about its focus
	for _, body := range shown(b, "fhir_resource", "body") {
		if strings.Contains(body, "aGk=") {
			t.Errorf("the contents stand twice: %s", body)
		}
	}
}

func TestWhatAnEventEndsNeedNotBeInTheMessage(t *testing.T) {
	gone := func(event string) *extract.Delivery {
		return delivery(2, `{"resourceType":"Bundle","type":"message","timestamp":"2026-03-01T12:30:00Z","entry":[{"resource":{"resourceType":"MessageHeader",
			"eventUri":"x/`+event+`","source":{"endpoint":"site"},"focus":[{"reference":"DocumentReference/x","identifier":{"value":"d"}}]}}]}`)
	}
	whole := fhirMessageOf(1, "DocumentCreated", entryOf(0, `{"resourceType":"DocumentReference","identifier":[{"value":"d"}],"description":"about"}`))
	for _, order := range [][]*extract.Delivery{{whole, gone("DocumentDeleted")}, {gone("DocumentDeleted"), whole}} {
		w := loaded(t, order, func(int) bool { return true })
		expect(t, inPostgres(t, w, fhir).rows("SELECT ended || ' ' || description FROM s.fhir_document_reference_filled"), "deleted about")
	}
	if got := shown(batchOf(t, nil, gone("DocumentUpdated")), "fhir_resource"); got != nil {
		t.Errorf("a resource is made of a reference: %q", got)
	}
}

func TestColumnsOfThoseWhoAreAskedForMost(t *testing.T) {
	patient := `{"resourceType":"Patient","identifier":[{"value":"p"}],"name":[{"use":"nickname","family":"N"},{"use":"official","family":"F","given":["G","H"]}],
		"birthDate":"1980-02","telecom":[{"system":"email","value":"e"},{"system":"phone","use":"mobile","value":"1"}],"deceasedBoolean":false,
		"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"text","valueString":"R"}]}],
		"address":[{"line":["a","b"],"city":"C"}]}`
	b := batchOf(t, nil, delivery(1, patient))
	expect(t, shown(b, "fhir_patient", "name_family", "name_given", "birth_date", "email", "phone_mobile", "phone_home", "deceased", "race", "address_line"),
		"F | G H | - | e | 1 | - | f | R | a b | birth_date~1980-02")
	expect(t, shown(b, "fhir_message", "event_type", "bundle_type", "resources"), "Patient | - | 1")

	appointment := `{"resourceType":"Appointment","identifier":[{"value":"a"}],"status":"booked","start":"2026-03-01T10:00:00-0500","minutesDuration":30,
		"participant":[{"actor":{"reference":"urn:uuid:9","type":"Location"}},{"actor":{"reference":"urn:uuid:1"}}],
		"extension":[{"url":"https://fhir.redoxengine.com/x","extension":[{"url":"old-date-time","valueDateTime":"2026-02-01"}]},
			{"url":"https://fhir.redoxengine.com/oldVisitNumber","valueString":"v"}]}`
	b = batchOf(t, nil, fhirMessageOf(1, "AppointmentUpdated", entryOf(0, appointment), entryOf(1, patient)))
	expect(t, shown(b, "fhir_appointment", "start_at", "start_at_text", "minutes_duration", "patient_value", "location_type", "old_date_time_text", "old_visit_number"),
		"2026-03-01 15:00:00+00 | 2026-03-01T10:00:00-0500 | 30 | p | Location | 2026-02-01 | v")

	observation := `{"resourceType":"Observation","identifier":[{"value":"o"}],"code":{"coding":[{"system":"loinc","code":"1"},{"code":"2"}]},
		"effectivePeriod":{"start":"2026-01-01T00:00:00Z"},"valueQuantity":{"value":5.10,"unit":"mg"},"component":[{"valueInteger":1}],
		"subject":{"reference":"#c"},"contained":[{"resourceType":"Patient","id":"c","identifier":[{"system":"s","value":"in"}]}]}`
	b = batchOf(t, nil, delivery(1, observation))
	expect(t, shown(b, "fhir_observation", "code_system", "code", "effective", "value_number", "value_unit", "components", "subject_system", "subject_value"),
		`loinc | 1 | 2026-01-01 00:00:00+00 | 5.10 | mg | [{"valueInteger": 1}] | s | in`)
}

func TestPatientsThatFHIRMergesHaveAliases(t *testing.T) {
	patient := func(number int, values, rest string) string {
		var ids []string
		for _, v := range strings.Fields(values) {
			value, old := strings.CutSuffix(v, "-")
			use := "usual"
			if old {
				use = "old"
			}
			ids = append(ids, fmt.Sprintf(`{"system":"mrn","value":%q,"use":%q}`, value, use))
		}
		return entryOf(number, fmt.Sprintf(`{"resourceType":"Patient","identifier":[%s]%s}`, strings.Join(ids, ","), rest))
	}
	for _, c := range []struct {
		name, event string
		entries     []string
		want        []string
	}{
		{"the loser names the survivor", "PatientAdminMerged", []string{
			patient(0, "1", `,"link":[{"type":"replaced-by","other":{"reference":"urn:uuid:1"}}]`), patient(1, "2", ""),
		}, []string{"1 > 2"}},
		{"the survivor names the loser", "PatientAdminMerged", []string{
			patient(0, "2", `,"link":[{"type":"replaces","other":{"reference":"urn:uuid:1"}}]`), patient(1, "1 3", ""),
		}, []string{"1 > 2", "3 > 2"}},
		{"each names the other", "PatientAdminMerged", []string{
			patient(0, "2", `,"link":[{"type":"replaces","other":{"reference":"urn:uuid:1"}}]`),
			patient(1, "1", `,"link":[{"type":"replaced-by","other":{"reference":"urn:uuid:0"}}]`),
		}, []string{"1 > 2"}},
		{"an identifier alone is named", "PatientAdminMerged", []string{
			patient(0, "2", `,"link":[{"type":"replaces","other":{"identifier":{"system":"mrn","value":"1"}}}]`),
		}, []string{"1 > 2"}},
		{"identifiers are marked as old", "PatientAdminPatientMerged", []string{patient(0, "2 1- 4-", "")}, []string{"1 > 2", "4 > 2"}},
		{"old identifiers outside of a merge say nothing", "PatientAdminUpdated", []string{patient(0, "2 1-", "")}, nil},
		{"a see-also is no merge", "PatientAdminMerged", []string{
			patient(0, "2", `,"link":[{"type":"seealso","other":{"identifier":{"system":"mrn","value":"1"}}}]`),
		}, nil},
		{"nothing is said of whom", "PatientAdminMerged", []string{patient(0, "2", `,"link":[{"type":"replaces","other":{"reference":"Patient/x"}}]`)}, nil},
	} {
		b := batchOf(t, nil, fhirMessageOf(1, c.event, c.entries...))
		var got []string
		for _, line := range shown(b, "patient_alias", "id", "into_id") {
			got = append(got, strings.ReplaceAll(line, " | ", " > "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestFHIROfAnyShapeIsKept(t *testing.T) {
	for _, c := range []struct {
		name, body         string
		resources, rejects int
		entries            []string // what is kept of them in place of a row
	}{
		{"nothing but a type", `{"resourceType":"Bundle"}`, 0, 0, nil},
		{"a type that nobody knows", `{"resourceType":"Starship","crew":1}`, 1, 0, nil},
		{"a type that is a number", `{"resourceType":7}`, 1, 0, nil},
		{"entries that are one", `{"resourceType":"Bundle","entry":{"resource":{"resourceType":"Patient"}}}`, 1, 0, nil},
		{"entries that are text", `{"resourceType":"Bundle","entry":"none"}`, 0, 0, nil},
		{"an entry that is none", `{"resourceType":"Bundle","entry":[1,null,{}]}`, 0, 0, []string{"1"}},
		{"an entry without a resource", `{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}`, 0, 0, nil},
		{"a resource without a type", `{"resourceType":"Bundle","entry":[{"resource":{"id":"x"}}]}`, 0, 0, []string{`{"id": "x"}`}},
		{"a resource that is text", `{"resourceType":"Bundle","entry":[{"resource":"x"}]}`, 0, 0, []string{`"x"`}},
		{"two of the same key", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","identifier":{"value":"1"},"id":"a"}},
			{"resource":{"resourceType":"Basic","identifier":{"value":"1"},"id":"b"}}]}`, 1, 0, []string{
			`{"id": "a", "identifier": {"value": "1"}, "resourceType": "Basic"}`,
		}},
		{"contained resources in a circle", `{"resourceType":"Patient","generalPractitioner":{"reference":"#a"},"contained":[
			{"resourceType":"Practitioner","id":"a","contained":[{"id":"a"}],"x":{"reference":"#a"}}]}`, 1, 0, nil},
		{"a key that is too long", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Basic","identifier":{"value":"` +
			strings.Repeat("x", 3000) + `"}}},{"resource":{"resourceType":"Basic"}}]}`, 2, 1, nil},
		{"a NUL in a key", `{"resourceType":"Patient","identifier":[{"system":"a\u0000","value":"1"}]}`, 1, 1, nil},
		{"members of other kinds", `{"resourceType":"Patient","identifier":7,"name":"x","link":{"other":[]},"meta":1,"telecom":[1,[2]],"address":{"line":"y"}}`, 1, 0, nil},
		{"a NUL in text", `{"resourceType":"Patient","gender":"\u0000"}`, 1, 0, nil},
		{"a deep extension", `{"resourceType":"Appointment","extension":` + strings.Repeat(`[{"extension":`, 2000) + `1` + strings.Repeat(`}]`, 2000) + `}`, 1, 0, nil},
	} {
		b := batchOf(t, nil, delivery(1, c.body))
		if got := len(shown(b, "fhir_resource")); got != c.resources {
			t.Errorf("%s: %d resources, want %d", c.name, got, c.resources)
		}
		if len(b.Rejects) != c.rejects {
			t.Errorf("%s: %d rejects, want %d: %+v", c.name, len(b.Rejects), c.rejects, b.Rejects)
		}
		var entries []string
		for _, line := range shown(b, "fhir_entry", "resource") {
			if body, _, _ := strings.Cut(line, " | "); body != "-" {
				entries = append(entries, body)
			}
		}
		if diff := cmp.Diff(c.entries, entries); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestWhatABundleAsksForIsKeptAndNotDone(t *testing.T) {
	b := batchOf(t, nil, delivery(1, `{"resourceType":"Bundle","type":"transaction","link":[{"url":"u"}],"entry":[
		{"fullUrl":"f","request":{"method":"DELETE","url":"Patient?identifier=1"},"extra":1},{"resource":{"resourceType":"Patient","identifier":{"value":"1"}}}]}`))
	expect(t, shown(b, "fhir_message", "bundle_type", "entries", "resources"), `transaction | 2 | 1 | Bundle.link~[{"url": "u"}]`)
	expect(t, shown(b, "fhir_entry", "full_url", "request_method", "request_url"), "- | - | -", "f | DELETE | Patient?identifier=1 | Bundle.entry.extra~1")
	expect(t, shown(b, "fhir_patient", "identifier_value", "ended"), "1 | -")
}

func TestWhatNobodyDeclaredInFHIRIsKept(t *testing.T) {
	for name, body := range payloads(t, "fhir-r4") {
		var doc map[string]any
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		var at []string
		objects(doc, "", func(path string, object map[string]any) {
			at = append(at, path)
			object["zebra"] = fmt.Sprintf("stripe %d.", len(at))
		})
		changed, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		kept := undeclared(batchOf(t, nil, delivery(1, string(changed))))
		for i, path := range at {
			if !strings.Contains(kept, fmt.Sprintf("stripe %d.", i+1)) {
				t.Errorf("%s: a member of %q that nobody declared is lost", name, path)
			}
		}
	}
}

func TestColumnsOfFHIRSayWhatTheyShowAndWhoTheyTellOf(t *testing.T) {
	for kind, p := range projections {
		for _, table := range []*extract.Table{p.entity.tables[0].live, p.entity.tables[0].past} {
			for _, c := range table.Columns {
				switch c.Name {
				case "source_id", "identifier_system", "event_type", "facility_code", "message_key", "resource_id", "ended", "version", "version_at", "deleted":
					continue
				}
				if !strings.HasPrefix(c.Source, kind+".") {
					t.Errorf("%s.%s comes from %q", table.Name, c.Name, c.Source)
				}
			}
		}
	}
	var told []string
	for _, c := range projections["Patient"].entity.tables[0].live.Columns {
		if c.Identifier {
			told = append(told, c.Name)
		}
	}
	for _, name := range []string{"identifier_value", "name_family", "name_given", "birth_date", "email", "address_line"} {
		if !slices.Contains(told, name) {
			t.Errorf("%s is not said to tell who a patient is", name)
		}
	}
	if slices.Contains(told, "gender") {
		t.Error("gender alone does not tell who a patient is")
	}
}

func FuzzDecodeFHIR(f *testing.F) {
	for _, body := range payloads(f, "fhir-r4") {
		f.Add([]byte(body))
	}
	f.Add(fhirMessageOf(1, "PatientAdminMerged", entryOf(0, `{"resourceType":"Patient","link":[{"type":"replaces","other":{"reference":"Patient/1/_history/2"}}]}`)).Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		d := delivery(1, string(body))
		d.Model = fhirModel
		g := everything("mrn")
		g.add(d)
		b := g.batch()
		if len(b.Settled) != 1 || b.Settled[0].Reason == reasonDefect {
			t.Fatalf("%+v", b.Settled)
		}
		check(t, b)
	})
}
