package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	"syncd/extract/redox"
)

// purges is what a jobs.toml says so that people of a receiver can be purged.
func purges(t *testing.T) (lines, dir string) {
	t.Helper()
	dir = t.TempDir()
	return fmt.Sprintf("[purge]\nkey = %q\njournal = %q", writeSecret(t, dir, "key", strings.Repeat("k3y", 20)), filepath.Join(dir, "purges.journal")), dir
}

// purge purges a patient and wants it to end with a code.
func (w *ward) purge(want int, args ...string) string {
	w.t.Helper()
	var said bytes.Buffer
	m := &Main{Args: append([]string{"-c", w.cli.config, "purge", "--yes"}, args...), Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said, Now: time.Now}
	if code := m.Run(w.t.Context()); code != want {
		w.t.Fatalf("purge %v: exit %d, want %d\n%s", args, code, want, said.String())
	}
	return said.String()
}

// message is one message about a patient, who has these identifiers.
func message(log, model, event, identifiers, rest string) []byte {
	return fmt.Appendf(nil, `{"Meta":{"DataModel":%q,"EventType":%q,"EventDateTime":"2026-03-01T12:00:00.000Z","Source":{"ID":"own-1","Name":"EHR"},"Logs":[{"ID":%q,"AttemptID":"a"}]},"Patient":{"Identifiers":[%s]%s`,
		model, event, log, identifiers, rest)
}

func mr(id string) string { return fmt.Sprintf(`{"ID":%q,"IDType":"MR"}`, id) }

// tellStory is what is pushed about a person with two numbers, and about others.
func tellStory(c *canaries) (messages [][]byte, number string) {
	first, second, ssn := c.of("number"), c.of("number"), c.of("number")
	v := c.of
	name := func() string { return fmt.Sprintf(`,"Demographics":{"LastName":%q}`, v("value")) }
	own := mr(first) + fmt.Sprintf(`,{"ID":%q,"IDType":"SSN"}`, ssn)
	order := func(log, who, id, number string) []byte {
		return message(log, "Results", "New", who, fmt.Sprintf(`},"Visit":{"VisitNumber":%q},"Orders":[{"ID":%q,"Results":[{"Code":"GLU","Value":%q,"Notes":[%q]}]}]}`, number, id, v("value"), v("value")))
	}
	visit := v("visit")
	old := v("visit")
	messages = [][]byte{
		message("1", "PatientAdmin", "Arrival", own, name()+fmt.Sprintf(`,"Contacts":[{"LastName":%q}]},"Visit":{"VisitNumber":%q,"Reason":%q}}`, v("value"), visit, v("value"))),
		order("2", mr(first), v("order"), visit),
		order("3", mr(first), "order-1", visit),
		order("4", mr(first), "order-1", visit), // its history has two states
		message("5", "Notes", "New", mr(second), fmt.Sprintf(`},"Visit":{"VisitNumber":%q},"Note":{"DocumentID":"n-1","ContentType":"Plain Text","FileContents":%q,"Components":[{"ID":"1","Value":%q}]}}`, v("visit"), v("value"), v("value"))),
		message("6", "Notes", "Replace", mr(second), fmt.Sprintf(`},"Note":{"DocumentID":%q,"OriginalDocumentID":"n-1","FileContents":%q}}`, v("document"), v("value"))),
		message("7", "Media", "New", mr(second), fmt.Sprintf(`},"Media":{"DocumentID":%q,"FileType":"TXT","FileContents":%q}}`, v("document"), "d2hhdCBpcyB3cml0dGVu")),
		message("8", "Notes", "Delete", mr(second), fmt.Sprintf(`},"Note":{"DocumentID":%q}}`, v("document"))),
		message("9", "Scheduling", "Reschedule", mr(first), fmt.Sprintf(`},"Visit":{"VisitNumber":%q,"OldVisitNumber":%q,"Reason":%q}}`, v("visit"), old, v("value"))),
		message("10", "PatientAdmin", "PatientMerge", mr(first), fmt.Sprintf(`,"PreviousIdentifiers":[%s]%s}}`, mr(second), name())),
		[]byte(fmt.Sprintf(`{"resourceType":"Bundle","type":"message","timestamp":"2026-03-01T12:00:00Z","entry":[
			{"resource":{"resourceType":"MessageHeader","eventUri":"https://fhir.redoxengine.com/fhir-events/PatientCreate","source":{"endpoint":"urn:uuid:own-1"},"focus":[{"reference":"Patient/p"}]}},
			{"fullUrl":"Patient/p","resource":{"resourceType":"Patient","id":"p","identifier":[{"system":"MR","value":%q},{"system":"other","value":%q}],"name":[{"family":%q}]}},
			{"fullUrl":"Observation/o","resource":{"resourceType":"Observation","id":"o","identifier":[{"system":"obs","value":%q}],"subject":{"reference":"Patient/p"},"valueString":%q}},
			{"fullUrl":"Practitioner/d","resource":{"resourceType":"Practitioner","id":"d","identifier":[{"system":"npi","value":"42"}],"name":[{"family":"who stays"}]}}]}`,
			second, v("number"), v("value"), v("observation"), v("value"))),
		[]byte(fmt.Sprintf(`{"Meta":{"DataModel":"Order","EventType":"New","Source":{"ID":"own-1"},"Logs":[{"ID":"12"}]},"Patient":{"Identifiers":[%s]},"Order":{"ID":"x"},`, mr(first))), // cut
		// of others
		message("20", "PatientAdmin", "Arrival", mr("other"), `,"Demographics":{"LastName":"who stays"}},"Visit":{"VisitNumber":"other","Reason":"stays"}}`),
		order("21", mr("other"), "order-2", "other"),
		message("22", "Notes", "New", mr("other"), `},"Note":{"DocumentID":"n-2","FileContents":"stays"}}`),
		[]byte(fmt.Sprintf(`{"Meta":{"DataModel":"Claim","EventType":"Payment","EventDateTime":"2026-03-01T12:00:00.000Z","Source":{"ID":"own-1"},"Logs":[{"ID":"23"}]},
			"Transaction":{"ID":"t-1","TrackingNumber":"stays"},"Payments":[{"Patient":{"Identifiers":[%s]},"Claim":{"Number":%q,"Services":[{"Adjustments":[{"Reason":%q}]}]}},{"Patient":{"Identifiers":[%s]},"Claim":{"Number":"c-stays"}}]}`,
			mr(first), v("claim"), v("value"), mr("other"))),
	}
	return messages, first
}

// shadows are canaries of stories about others that stay; they are not looked for.
func stays(c *canaries, messages [][]byte) {
	for what, text := range c.texts {
		if bytes.Contains(messages[13], []byte(text)) {
			delete(c.texts, what)
		}
	}
}

func TestAPatientIsGoneFromTheWholeDatabaseAndStaysOut(t *testing.T) {
	t.Parallel()
	lines, dir := purges(t)
	w := freshWard(t, lines)
	c := &canaries{texts: map[string]string{}, sinks: map[string]*bytes.Buffer{}}
	messages, number := tellStory(c)
	stays(c, messages)
	w.push(messages...)
	w.drain()
	test := bytes.Replace(messages[0], []byte(`"EventType"`), []byte(`"Test":true,"EventType"`), 1)
	w.push(bytes.Replace(test, []byte(`"ID":"1"`), []byte(`"ID":"t1"`), 1))
	w.drain()
	w.push(message("30", "Order", "New", mr(number), fmt.Sprintf(`},"Order":{"ID":%q}}`, c.of("order")))) // not drained
	if found := shows(c, dump(t, w.url)); len(found) < len(c.texts) {
		t.Fatalf("the person is to be seen before: %d of %d", len(found), len(c.texts))
	}
	yesterday := dump(t, w.url)
	dry := w.purge(exitDone, "--subject", "ward:MR:"+number, "--dry-run")
	said := w.purge(exitDone, "--subject", "ward:MR:"+number)
	if found := shows(c, []byte(dry+said)); len(found) > 0 {
		t.Errorf("it shows %v", found)
	}
	gone := func(when string) {
		t.Helper()
		for _, found := range shows(c, dump(t, w.url)) {
			t.Errorf("%s: %s", when, found)
		}
	}
	gone("after the purge")
	if !strings.Contains(said, "1 deliveries were about other people") || !strings.Contains(said, "1 deliveries could not be read") {
		t.Errorf("the purge says\n%s", said)
	}
	others := []string{
		"SELECT count(*)::text FROM ward.visit", "SELECT count(*)::text FROM ward.result", "SELECT count(*)::text FROM ward_history.result_order",
		"SELECT count(*)::text FROM ward.remittance_claim", "SELECT count(*)::text FROM ward.remittance", "SELECT count(*)::text FROM ward.fhir_resource WHERE resource_type = 'Practitioner'",
		"SELECT count(*)::text FROM ward.note", "SELECT count(*)::text FROM ward.patient_identifier",
	}
	for _, sql := range others {
		if got := w.rowsOf(sql); got[0] != "1" {
			t.Errorf("%s: %s", sql, got)
		}
	}

	for i, m := range messages { // the same once more, under other ids: whoever was purged is kept out
		if i != 11 && i != 12 && i != 13 && i != 14 {
			w.push(bytes.Replace(m, []byte(`"Logs":[{"ID":"`), []byte(`"Logs":[{"ID":"again-`), 1))
		}
	}
	w.push(messages[:10]...) // and as they were: they are known
	shared := bytes.ReplaceAll(bytes.ReplaceAll(messages[15], []byte("t-1"), []byte("t-2")), []byte("c-stays"), []byte("c-stays-2"))
	w.push(bytes.Replace(shared, []byte(`"ID":"23"`), []byte(`"ID":"shared"`), 1))
	w.drain()
	gone("after it was sent again")
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery WHERE reason = 'blocked' AND state = 'unhandled'"); n != 10 {
		t.Errorf("%d deliveries are blocked", n)
	}
	if said := w.rejects(); strings.Contains(said, "blocked") {
		t.Errorf("rejects lists what nothing is to be done about: %s", said)
	}
	if n := askWard[int](w, "SELECT sum(blocked) FROM syncd.run_table"); n == 0 {
		t.Error("the equation counts no row as blocked")
	}
	if got := w.rowsOf("SELECT number FROM ward.remittance_claim ORDER BY 1"); fmt.Sprint(got) != "[c-stays c-stays-2]" {
		t.Errorf("of deliveries about several people these are left: %v", got)
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery AS d JOIN syncd.payload USING (seq) WHERE dedupe_key LIKE '%shared'"); n != 0 {
		t.Error("the bytes about several people are still there")
	}
	var replayed bytes.Buffer
	m := &Main{Args: []string{"-c", w.cli.config, "replay", "ward", "--from", "2026-01-01"}, Stdout: &replayed, Stderr: &replayed, Now: time.Now}
	if code := m.Run(t.Context()); code != exitDone {
		t.Fatalf("replay: %s", replayed.String())
	}
	gone("after a replay")

	s := &purgeScene{t: t, c: c, dir: dir}
	restored := s.restore(yesterday)
	text, err := os.ReadFile(w.cli.config)
	s.must(err)
	s.write("jobs.toml", strings.Replace(string(text), "file:"+filepath.Join(filepath.Dir(w.cli.config), "url"), "file:"+filepath.Join(dir, "database"), 1))
	s.write("database", restored)
	if n := s.doctor(); n != 1 {
		t.Errorf("%d people were purged again", n)
	}
	for _, found := range shows(c, dump(t, restored)) {
		t.Errorf("after the restore: %s", found)
	}
}

func TestTheSameNumberOfTwoSendersMayBeTwoPeople(t *testing.T) {
	t.Parallel()
	lines, _ := purges(t)
	w := freshWard(t, lines)
	of := func(log, source string) []byte {
		return bytes.Replace(message(log, "PatientAdmin", "Arrival", mr("7"), `},"Visit":{"VisitNumber":"v"}}`), []byte("own-1"), []byte(source), 1)
	}
	w.push(of("1", "here"), of("2", "there"))
	w.drain()
	if said := w.purge(exitUsage, "--subject", "ward:MR:7"); !strings.Contains(said, "here, there") {
		t.Error(said)
	}
	w.purge(exitDone, "--subject", "ward:MR:7", "--sender", "here")
	if got := w.rowsOf("SELECT source_id FROM ward.visit"); len(got) != 1 || got[0] != "there" {
		t.Errorf("visits of %v", got)
	}
	w.push(message("3", "PatientAdmin", "Arrival", `{"ID":"9:1","IDType":"urn:oid:1.2"}`, `},"Visit":{"VisitNumber":"w"}}`))
	w.drain()
	w.purge(exitUsage, "--subject", "ward:MR")
	w.purge(exitDone, "--subject", "ward:urn:oid:1.2:9:1")
	if said := w.purge(exitUsage, "--subject", "ward:MR:8"); !strings.Contains(said, "nothing is stored") {
		t.Error(said)
	}
}

func TestIdentifiersThatManyShareDoNotLeadToOneAnother(t *testing.T) {
	t.Parallel()
	lines, _ := purges(t)
	w := freshWard(t, lines)
	for i := range 12 {
		who := mr(fmt.Sprint("shared-", i)) + `,{"ID":"000-00-0000","IDType":"SSN"}`
		w.push(message(fmt.Sprint(i), "PatientAdmin", "Arrival", who, fmt.Sprintf(`},"Visit":{"VisitNumber":"v%d"}}`, i)))
	}
	w.drain()
	if said := w.purge(exitUsage, "--subject", "ward:MR:shared-3"); !strings.Contains(said, "12 patients") {
		t.Error(said)
	}
	if n := askWard[int](w, "SELECT count(*) FROM ward.visit"); n != 12 {
		t.Errorf("%d visits", n)
	}
}

// TestEveryModelLetsAPersonGo sends every recorded message that is about a patient, with a canary in the place of each text, and looks
// whether any is left.
func TestEveryModelLetsAPersonGo(t *testing.T) {
	t.Parallel()
	lines, _ := purges(t)
	w := freshWard(t, lines)
	c := &canaries{texts: map[string]string{}, sinks: map[string]*bytes.Buffer{}}
	d := &disguise{number: c.of("number"), leaf: c.of("value")}
	var messages [][]byte
	models := map[string]int{}
	for _, r := range recordedPayloads(t) {
		if !strings.HasPrefix(r.name, "fhir-r4") && !r.query && d.dress(r) {
			messages = append(messages, r.body)
			models[r.model]++
		}
	}
	w.push(messages...)
	w.drain()
	before := bytes.Count(dump(t, w.url), []byte(d.leaf))
	w.purge(exitDone, "--subject", "ward:MR:"+d.number, "--sender", "all", "--patients", "1000")
	text := dump(t, w.url)
	for _, found := range shows(c, text) {
		t.Error(found)
	}
	t.Logf("messages %d of %d models, canaries before %d, after %d", len(messages), len(models), before, bytes.Count(text, []byte(d.leaf)))
	if len(models) < 15 || before < 5000 {
		t.Errorf("%d models, %d canaries: too few to tell", len(models), before)
	}
}

// disguise puts canaries in the place of texts.
type disguise struct {
	number, leaf string
	n            int
	found        bool
}

// dress changes a message, and reports whether it is about a patient.
func (d *disguise) dress(r *recorded) bool {
	var root map[string]any
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.UseNumber()
	if dec.Decode(&root) != nil {
		return false
	}
	d.found = false
	for key, v := range root {
		if key != "Meta" && (r.model != "Claim" || !strings.HasPrefix(r.event, "Payment") || key == "Payments") {
			root[key] = d.walk(key, v)
		}
	}
	var err error
	r.body, err = json.Marshal(root)
	return err == nil && d.found
}

func (d *disguise) walk(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if list, ok := v["Identifiers"].([]any); ok && (key == "Patient" || key == "Patients") && len(list) > 0 {
			v["Identifiers"] = []any{map[string]any{"ID": d.number, "IDType": "MR"}}
			d.found = true
		}
		for name, below := range v {
			if name == "Identifiers" && (key == "Patient" || key == "Patients") {
				continue
			}
			v[name] = d.walk(name, below)
		}
		return v
	case []any:
		for i := range v {
			v[i] = d.walk(key, v[i])
		}
		return v
	case string:
		d.n++
		return fmt.Sprintf("%s-%d", d.leaf, d.n)
	}
	return v
}

func TestWhomADeliveryIsAboutIsToldInEveryModel(t *testing.T) {
	t.Parallel()
	people := redox.NewPeople()
	d := &disguise{number: "n", leaf: "l"}
	told := 0
	for i, r := range recordedPayloads(t) {
		if r.query || !d.dress(r) || strings.HasPrefix(r.name, "fhir-r4") {
			continue
		}
		who, readable := people.Of(&extract.Delivery{Seq: int64(i + 1), Key: r.name, Model: strings.ReplaceAll(r.model, " ", ""), Body: r.body, ReceivedAt: time.Now()})
		if len(who) == 0 || !readable {
			t.Errorf("%s (%s %s): %v, readable %v", r.name, r.model, r.event, who, readable)
			continue
		}
		told++
	}
	if told < 50 {
		t.Errorf("%d messages are about patients", told)
	}
}

func (w *ward) rejects() string {
	w.t.Helper()
	var said bytes.Buffer
	m := &Main{Args: []string{"-c", w.cli.config, "rejects"}, Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said, Now: time.Now}
	if code := m.Run(w.t.Context()); code != exitDone {
		w.t.Fatalf("rejects: exit %d\n%s", code, said.String())
	}
	return said.String()
}
