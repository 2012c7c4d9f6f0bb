package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pushedFixtures are recorded messages of Redox, which stand beside the repository.
func pushedFixtures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "redox")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no fixtures beside the repository: ../shared/fixtures/redox is missing")
	}
	return dir
}

// recorded is a payload as it was recorded, and what came of it.
type recorded struct {
	name, model, event string
	query              bool
	body               []byte
	status             int
}

var (
	logID    = regexp.MustCompile(`("Logs":\s*\[\s*\{\s*"ID":\s*")([^"]+)"`)
	sourceID = regexp.MustCompile(`("Source":\s*\{\s*"ID":\s*")([^"]+)"`)
)

// recordedPayloads reads all payloads. Most of the samples share one log id and tell of the same things: each gets a log and a sender
// of its own, so that what is made of it can be told from what is made of the others.
func recordedPayloads(t *testing.T) (all []*recorded) {
	t.Helper()
	dir := pushedFixtures(t)
	for _, pattern := range []string{"datamodel/*/*.json", "fhir-r4/*.json"} {
		paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := &recorded{name: filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path), body: body}
			for _, id := range []*regexp.Regexp{logID, sourceID} {
				r.body = id.ReplaceAll(r.body, fmt.Appendf(nil, `${1}own-%d-${2}"`, len(all)))
			}
			r.read()
			all = append(all, r)
		}
	}
	return all
}

// read finds out what a payload is, by what the documentation says of asking.
func (r *recorded) read() {
	var envelope struct {
		Meta         struct{ DataModel, EventType string }
		ResourceType string `json:"resourceType"`
	}
	_ = json.Unmarshal(r.body, &envelope) // what cannot be read is neither
	r.model, r.event = envelope.Meta.DataModel, envelope.Meta.EventType
	if r.model == "" {
		r.model = envelope.ResourceType
	}
	r.query = strings.HasSuffix(r.event, "Query") || slices.Contains([]string{"AvailableSlots", "Booked", "DocumentGet"}, r.event) ||
		r.event == "Request" && r.model == "Clinical Decisions"
}

// TestEveryRecordedPayloadIsKeptAndBecomesRowsOrHasAReason posts them all, and looks for each of them at every place that it must get to.
func TestEveryRecordedPayloadIsKeptAndBecomesRowsOrHasAReason(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	all := recordedPayloads(t)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for _, r := range all {
		r.status = postTo(t, client, w.address, r.body)
		if want := map[bool]int{false: http.StatusOK, true: http.StatusNotImplemented}[r.query]; r.status != want {
			t.Errorf("%s (%s %s): answered with %d, want %d", r.name, r.model, r.event, r.status, want)
		}
	}
	lost := 0
	for _, r := range all {
		kept := askWard[[]byte](w, "SELECT coalesce((SELECT p.body FROM syncd.delivery AS d JOIN syncd.payload AS p USING (seq) WHERE d.body_sha256 = $1), '')", shaOf(r.body))
		if !bytes.Equal(kept, r.body) {
			lost++
			t.Errorf("%s is not kept as it was sent", r.name)
		}
	}
	w.drain()
	made := w.madeOf()
	table, outcomes, values := map[string]*tableLine{}, map[string]int{}, 0
	for _, r := range all {
		line := w.rowsOf("SELECT state, coalesce(reason, ''), seq::text FROM syncd.delivery WHERE body_sha256 = $1", shaOf(r.body))
		if len(line) != 1 {
			t.Errorf("%s: %d deliveries", r.name, len(line))
			continue
		}
		cells := strings.Split(line[0], "|")
		state, reason, rows := cells[0], cells[1], made[cells[2]]
		outcomes[state]++
		r.tell(table, state, reason, rows)
		if want := map[bool]string{false: "applied", true: "unhandled"}[r.asks()]; state != want {
			t.Errorf("%s (%s %s) is %s: %s", r.name, r.model, r.event, state, reason)
		}
		switch state {
		case "applied":
			if len(rows) == 0 {
				t.Errorf("%s (%s %s): applied without a row", r.name, r.model, r.event)
			}
			if r.event != "Delete" { // of which nothing is left but that it was
				values += r.check(t, rows)
			}
		case "unhandled", "rejected":
			if reason == "" || len(rows) > 0 {
				t.Errorf("%s (%s %s): %s, reason %q, %d rows", r.name, r.model, r.event, state, reason, len(rows))
			}
		}
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery"); n != len(all) {
		t.Errorf("%d deliveries of %d payloads", n, len(all))
	}
	for _, line := range w.rowsOf("SELECT table_name, rule, column_name FROM syncd.reject") {
		t.Errorf("a row was rejected: %s", line)
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%s  %3d x %s", key, table[key].payloads, table[key])
	}
	t.Logf("payloads %d, outcomes %v, lost %d, pending 0; values looked for in the rows %d", len(all), outcomes, lost, values)
}

// tableLine is what was made of all payloads of one model and event.
type tableLine struct {
	payloads int
	reason   string
	rows     map[string]int
}

// String lists the rows by table.
func (l *tableLine) String() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(l.rows)) {
		all = append(all, fmt.Sprint(name, " ", l.rows[name]))
	}
	return strings.TrimSpace(l.reason + " " + strings.Join(all, ", "))
}

// tell adds what was made of a payload to the table that is printed.
func (r *recorded) tell(table map[string]*tableLine, state, reason string, rows []madeRow) {
	key := fmt.Sprintf("%-18s %-38s %d %-9s", r.model, r.event, r.status, state)
	if table[key] == nil {
		table[key] = &tableLine{reason: reason, rows: map[string]int{}}
	}
	table[key].payloads++
	for _, row := range rows {
		table[key].rows[row.table]++
	}
}

// asks reports whether a payload is of an exchange of question and answer, for which no tables are promised.
func (r *recorded) asks() bool {
	return r.query || strings.HasSuffix(r.event, "Response")
}

func shaOf(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:]
}

// postTo sends one body with the token and answers the status.
func postTo(t *testing.T, client *http.Client, address string, body []byte) int {
	t.Helper()
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+wardPath, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Content-Type", "application/json")
	rq.Header.Set("Verification-Token", wardToken)
	rq.Header.Set("Authorization", "Bearer "+wardToken)
	answer, err := client.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// madeRow is a row that was made of a delivery.
type madeRow struct {
	table string
	row   []byte // as JSON
}

// madeOf reads the rows that were made of each delivery, by its number: states stand in the history, facts and what belongs to them in
// their tables.
func (w *ward) madeOf() map[string][]madeRow {
	w.t.Helper()
	all := map[string][]madeRow{}
	for _, found := range w.rowsOf(`SELECT format('%I.%I', table_schema, table_name), column_name, table_name FROM information_schema.columns AS c
		WHERE table_schema IN ('ward_history', 'ward_test_history') AND column_name = 'version'
		   OR table_schema IN ('ward', 'ward_test') AND column_name = '_version' AND to_regclass(format('%I.%I', table_schema || '_history', table_name)) IS NULL
		ORDER BY table_name`) {
		cells := strings.Split(found, "|")
		for _, line := range w.rowsOf("SELECT right(" + cells[1] + ", 16)::bigint::text, to_jsonb(x)::text FROM " + cells[0] + " AS x") {
			seq, row, _ := strings.Cut(line, "|")
			all[seq] = append(all[seq], madeRow{cells[2], []byte(row)})
		}
	}
	for _, line := range w.rowsOf("SELECT d.seq::text, to_jsonb(x)::text FROM ward.fhir_entry AS x JOIN syncd.delivery AS d ON d.dedupe_key = x.message_key") {
		seq, row, _ := strings.Cut(line, "|")
		all[seq] = append(all[seq], madeRow{"fhir_entry", []byte(row)})
	}
	return all
}

// leaves calls f with every text, number and truth of a JSON value that is not empty.
func leaves(path string, value any, f func(path, text string)) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for name, member := range v {
			leaves(path+"."+name, member, f)
		}
	case []any:
		for _, element := range v {
			leaves(path, element, f)
		}
	default:
		if text := fmt.Sprint(v); text != "" {
			f(path, text)
		}
	}
}

func decodeJSON(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}

// withoutContext are the models whose rows are many and name patient and visit by their keys alone: what else a message says of
// those two is in its bytes.
var withoutContext = []string{"Flowsheet", "Vaccination", "Device", "Financial", "Inventory", "Medications Administration"}

// check looks for every value of a payload in the rows that were made of it, and counts them: in a cell, in a document in a cell, or among the notes.
func (r *recorded) check(t *testing.T, rows []madeRow) (values int) {
	t.Helper()
	held := map[string]bool{}
	var hold func(path, text string)
	hold = func(path, text string) {
		held[text] = true
		if text == "true" || text == "false" { // Media.Authenticated is a text
			held[strings.ToUpper(text[:1])+text[1:]] = true
		}
		if inner, err := decodeJSON([]byte(text)); err == nil && strings.ContainsAny(text[:1], "[{") {
			leaves(path, inner, hold)
		}
		if file, err := hex.DecodeString(strings.TrimPrefix(text, `\x`)); err == nil && strings.HasPrefix(text, `\x`) {
			held[base64.StdEncoding.EncodeToString(file)] = true
		}
	}
	for _, row := range rows {
		value, err := decodeJSON(row.row)
		if err != nil {
			t.Fatal(err)
		}
		leaves("", value, hold)
	}
	value, err := decodeJSON(r.body)
	if err != nil {
		t.Fatal(err)
	}
	leaves("", value, func(path, text string) {
		bare := slices.Contains(withoutContext, r.model) || slices.Contains(withoutContext, r.model+" "+r.event)
		if strings.HasPrefix(path, ".Meta.") || path == ".resourceType" || bare && (strings.HasPrefix(path, ".Patient.") || strings.HasPrefix(path, ".Visit.")) {
			return
		}
		if values++; !held[text] {
			t.Errorf("%s (%s %s): the value of %s is in no row", r.name, r.model, r.event, path)
		}
	})
	return values
}
