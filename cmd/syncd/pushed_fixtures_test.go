package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
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
	rows := w.rowsByDelivery()
	outcomes := map[string]int{}
	for _, r := range all {
		line := w.rowsOf("SELECT state, coalesce(reason, ''), seq::text FROM syncd.delivery WHERE body_sha256 = $1", shaOf(r.body))
		if len(line) != 1 {
			t.Errorf("%s: %d deliveries", r.name, len(line))
			continue
		}
		cells := strings.Split(line[0], "|")
		state, reason, made := cells[0], cells[1], rows[cells[2]]
		outcomes[state]++
		t.Logf("%-58s %-20s %-28s %d  %-9s %s", r.name, r.model, r.event, r.status, state, strings.TrimSpace(reason+" "+strings.Join(made, ", ")))
		switch state {
		case "applied":
			if len(made) == 0 {
				t.Errorf("%s (%s %s): applied without a row", r.name, r.model, r.event)
			}
		case "unhandled", "rejected":
			if reason == "" || len(made) > 0 {
				t.Errorf("%s (%s %s): %s, reason %q, rows %v", r.name, r.model, r.event, state, reason, made)
			}
		}
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery"); n != len(all) {
		t.Errorf("%d deliveries of %d payloads", n, len(all))
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.reject"); n != 0 {
		for _, line := range w.rowsOf("SELECT table_name, rule, column_name, source_key FROM syncd.reject") {
			t.Log("row rejected: ", line)
		}
	}
	t.Logf("payloads %d, outcomes %v, lost %d, pending 0", len(all), outcomes, lost)
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

// rowsByDelivery counts the rows that were made of each delivery, by its number: states stand in the history, facts in their tables.
func (w *ward) rowsByDelivery() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	for _, found := range w.rowsOf(`SELECT format('%I.%I', table_schema, table_name), column_name, table_name FROM information_schema.columns AS c
		WHERE table_schema IN ('ward_history', 'ward_test_history') AND column_name = 'version'
		   OR table_schema IN ('ward', 'ward_test') AND column_name = '_version' AND to_regclass(format('%I.%I', table_schema || '_history', table_name)) IS NULL
		ORDER BY table_name`) {
		cells := strings.Split(found, "|")
		for _, line := range w.rowsOf("SELECT right(" + cells[1] + ", 16)::bigint::text, count(*)::text FROM " + cells[0] + " GROUP BY 1") {
			seq, n, _ := strings.Cut(line, "|")
			all[seq] = append(all[seq], cells[2]+" "+n)
		}
	}
	return all
}
