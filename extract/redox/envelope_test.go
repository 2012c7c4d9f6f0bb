package redox

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

func TestEnvelopeIsReadAsFarAsItCanBe(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const bundle = `{"resourceType":"Bundle","timestamp":"2026-03-01T12:00:00Z","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"MessageHeader",`
	for name, c := range map[string]struct {
		body string
		want envelope
	}{
		"data model":                {arrivalOf("L", ""), envelope{source: "src-1", model: "PatientAdmin", event: "Arrival", at: at, log: "L"}},
		"blanks in the model":       {`{"Meta":{"DataModel":"Clinical Summary","EventType":"PatientPush"}}`, envelope{model: "ClinicalSummary", event: "PatientPush"}},
		"Meta at the end":           {`{"Patient":{"Meta":{"DataModel":"Order"}},"Meta":{"DataModel":"Notes"}}`, envelope{model: "Notes"}},
		"Meta below":                {`[{"Meta":{"DataModel":"Notes"}}]`, envelope{}},
		"name is escaped":           {`{"\u004deta":{"Test":true,"DataModel":"Notes"}}`, envelope{model: "Notes", test: true}},
		"another case":              {`{"meta":{"DataModel":"Notes"},"Meta":{"datamodel":"Order","Logs":[{"id":"x"}]}}`, envelope{}},
		"Test as text":              {`{"Meta":{"DataModel":"Notes","Test":"TRUE"}}`, envelope{model: "Notes", test: true}},
		"Test is false, is null":    {`{"Meta":{"DataModel":"Notes","Test":false,"Test":null}}`, envelope{model: "Notes"}},
		"Test twice":                {`{"Meta":{"DataModel":"Notes","Test":false,"Test":true}}`, envelope{model: "Notes", test: true}},
		"first of two":              {`{"Meta":{"DataModel":"","DataModel":"Notes","DataModel":"Order","Logs":[{"ID":"1"},{"ID":"2"}]}}`, envelope{model: "Notes", log: "1"}},
		"Meta twice":                {`{"Meta":{"Logs":[{"ID":"1"}]},"Meta":{"Logs":[{"ID":"2"}],"DataModel":"Notes"}}`, envelope{model: "Notes", log: "1"}},
		"second log alone":          {`{"Meta":{"Logs":[{},{"ID":"2"}],"Transmission":{"ID":7}}}`, envelope{transmission: "7"}},
		"wrong shapes":              {`{"Meta":{"DataModel":{"x":1},"EventType":[],"Source":"x","Logs":{"ID":"1"},"Transmission":[],"Test":{}}}`, envelope{}},
		"scalars of other types":    {`{"Meta":{"DataModel":true,"EventType":1.50,"Source":{"ID":7},"Logs":[{"ID":12345678901234567890}]}}`, envelope{model: "true", event: "1.50", source: "7", log: "12345678901234567890"}},
		"cut":                       {`{"Meta":{"DataModel":"Notes","Logs":[{"ID":"1"`, envelope{model: "Notes", log: "1"}},
		"garbage behind Meta":       {`{"Meta":{"DataModel":"Notes"} %`, envelope{model: "Notes"}},
		"control character":         {`{"Meta":{"DataModel":"No\u0000tes","EventType":"a\nb","Source":{"ID":"\ud800"}}}`, envelope{}},
		"empty":                     {``, envelope{}},
		"FHIR":                      {bundle + `"source":{"endpoint":"urn:uuid:E-1"},"eventUri":"https://fhir.redoxengine.com/EventDefinition/PatientAdminCreated"}}]}`, envelope{source: "E-1", model: fhirModel, event: "PatientAdminCreated", at: at}},
		"FHIR, coded event":         {bundle + `"source":{"endpoint":"E-1"},"eventCoding":{"code":"OrderCreated"}}},{"resource":{"resourceType":"MessageHeader","eventUri":"x/No"}}]}`, envelope{source: "E-1", model: fhirModel, event: "OrderCreated", at: at}},
		"FHIR, no header":           {`{"entry":[{"resource":{"resourceType":"Patient"}}],"resourceType":"Bundle"}`, envelope{model: fhirModel, event: "Bundle"}},
		"FHIR, entry is none":       {`{"entry":{"resource":{}},"resourceType":"Bundle"}`, envelope{model: fhirModel, event: "Bundle"}},
		"FHIR, bare":                {`{"resourceType":"Patient","entry":[{"resource":{"resourceType":"MessageHeader","eventUri":"x/Y"}}]}`, envelope{model: fhirModel, event: "Patient"}},
		"FHIR with Meta":            {`{"resourceType":"Bundle","Meta":{"Logs":[{"ID":"1"}],"Source":{"ID":"s"},"Test":true}}`, envelope{model: fhirModel, event: "Bundle", log: "1", source: "s", test: true}},
		"FHIR by its name at Redox": {`{"Meta":{"DataModel":"FHIR.Message.PatientAdmin","EventType":"patient-arrived"},` + bundle[1:] + `"source":{"endpoint":"E-1"},"eventUri":"x/PatientArrived"}}]}`, envelope{source: "E-1", model: fhirModel, event: "patient-arrived", at: at}},
		"model and resourceType":    {`{"resourceType":"Bundle","Meta":{"DataModel":"Notes"}}`, envelope{model: "Notes"}},
	} {
		if diff := cmp.Diff(c.want, readEnvelope([]byte(c.body)), cmp.AllowUnexported(envelope{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestKeysAreShortPrintableAndTellDeliveriesApart(t *testing.T) {
	sum := sha256.Sum256([]byte("body"))
	sha := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	long := strings.Repeat("a", 197)
	for name, c := range map[string]struct {
		of   envelope
		want string
	}{
		"log":                           {envelope{log: "AbC", transmission: "7", source: "s"}, "log:abc"},
		"transmission":                  {envelope{transmission: "7", source: "S"}, "tx:s:7"},
		"transmission of nobody":        {envelope{transmission: "7"}, "sha:" + sha("body")},
		"nothing":                       {envelope{}, "sha:" + sha("body")},
		"as long as it may be":          {envelope{log: long[1:]}, "log:" + long[1:]},
		"too long":                      {envelope{log: long}, "log:sha256:" + sha(long)},
		"not printable":                 {envelope{log: "a\x00b"}, "log:sha256:" + sha("a\x00b")},
		"not ASCII":                     {envelope{log: "É"}, "log:sha256:" + sha("é")},
		"blanks are part of an id":      {envelope{log: " a "}, "log: a "},
		"transmission, source too long": {envelope{transmission: long, source: "s"}, "tx:sha256:" + sha("s:"+long)},
	} {
		if got := c.of.key(sum); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	first := readEnvelope([]byte(`{"Meta":{"Logs":[{"ID":"` + strings.Repeat("x", 5000) + `1"}]}}`))
	second := readEnvelope([]byte(`{"Meta":{"Logs":[{"ID":"` + strings.Repeat("x", 5000) + `2"}]}}`))
	if first.key(sum) == second.key(sum) {
		t.Error("ids that are too long are taken for one")
	}
}

// Every recorded message has a key of its log, or of its bytes, and says what it is.
func TestRecordedMessagesAreKnownByTheirEnvelope(t *testing.T) {
	for path, body := range payloads(t, "datamodel") {
		e := readEnvelope([]byte(body))
		if strings.Contains(body, `"Meta"`) && (e.model == "" || e.event == "") {
			t.Errorf("%s: model %q, event %q", path, e.model, e.event)
		}
		if e.model != "" && eventOf(e.model, e.event) == unknownModel {
			t.Errorf("%s: unknown model %q", path, e.model)
		}
	}
	for path, body := range payloads(t, "fhir-r4") {
		if e := readEnvelope([]byte(body)); e.model != fhirModel || e.event == "" {
			t.Errorf("%s: model %q, event %q", path, e.model, e.event)
		}
	}
}

// An envelope is read of anything, says nothing that cannot be kept, and equal bytes have an equal key.
func FuzzEnvelope(f *testing.F) {
	for _, body := range []string{
		arrivalOf("L", ""), "", "[", `{"Meta":`, `{"Meta":{"Logs":[{"ID":"` + "\xff" + `"}]}}`, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"MessageHeader"}}]}`,
		`{"Meta":{"EventDateTime":"2026-02-28T23:59:60"}}`, `{"Meta":{"Test":"true","Transmission":{"ID":1e400}}}`, strings.Repeat(`{"Meta":`, 2000),
	} {
		f.Add([]byte(body))
	}
	recorded, _ := filepath.Glob(filepath.Join(fixtures, "fhir-r4", "*.json")) // where there are any
	for _, path := range recorded {
		if body, err := os.ReadFile(path); err == nil && len(body) < 20_000 {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := string(body)
		e, again := readEnvelope(body), readEnvelope([]byte(given))
		sum := sha256.Sum256(body)
		if string(body) != given {
			t.Fatal("reading changed the body")
		}
		if e != again || e.key(sum) != again.key(sum) {
			t.Errorf("equal bytes are read as %+v and as %+v", e, again)
		}
		key := e.key(sum)
		if len(key) > extract.MaxDeliveryKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("key %q", key)
		}
		for _, word := range []string{e.source, e.model, e.event} {
			if len(word) > longestWord || !utf8.ValidString(word) || strings.ContainsAny(word, "\x00\n\ufffd") {
				t.Errorf("word %q", word)
			}
		}
		if !e.at.IsZero() && (e.at.Year() < 1 || e.at.Year() > 9999 || e.at.Nanosecond()%1000 != 0) {
			t.Errorf("time %s", e.at)
		}
		_, _ = readHandshake(body, nil)
	})
}
