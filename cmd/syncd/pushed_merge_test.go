package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mergeCase is what a sender tells of its patients, and what must be known then. A message is "EVENT of IDS" or "PatientMerge of IDS
// over IDS"; identifiers are TYPE:ID.
type mergeCase struct {
	name   string
	tells  []string
	means  map[string]string // of every identifier the patient that it stands for, and the name that was last told of that one
	review []string          // what a person is asked to look at: the identifier and why
}

func mergeCases() []mergeCase {
	return []mergeCase{
		{
			name:  "a merge before the losing patient was ever seen",
			tells: []string{"PatientMerge of MR:1 over MR:9"},
			means: map[string]string{"MR:1": "MR:1 told 1", "MR:9": "MR:1 told 1"},
		},
		{
			name:  "messages for the loser after the merge",
			tells: []string{"NewPatient of MR:9", "PatientMerge of MR:1 over MR:9", "PatientUpdate of MR:9", "Arrival of MR:9"},
			means: map[string]string{"MR:1": "MR:1 told 2", "MR:9": "MR:1 told 2"},
		},
		{
			name:  "a chain",
			tells: []string{"NewPatient of MR:1", "NewPatient of MR:2", "NewPatient of MR:3", "PatientMerge of MR:2 over MR:1", "PatientMerge of MR:3 over MR:2"},
			means: map[string]string{"MR:1": "MR:3 told 5", "MR:2": "MR:3 told 5", "MR:3": "MR:3 told 5"},
		},
		{
			name:  "a chain whose last link is told first",
			tells: []string{"PatientMerge of MR:3 over MR:2", "PatientMerge of MR:2 over MR:1"},
			means: map[string]string{"MR:1": "MR:3 told 1", "MR:2": "MR:3 told 1", "MR:3": "MR:3 told 1"},
		},
		{
			name:  "the same merge twice",
			tells: []string{"NewPatient of MR:9", "PatientMerge of MR:1 over MR:9", "PatientMerge of MR:1 over MR:9"},
			means: map[string]string{"MR:1": "MR:1 told 3", "MR:9": "MR:1 told 3"},
		},
		{
			name:   "a merge back",
			tells:  []string{"NewPatient of MR:1", "NewPatient of MR:2", "PatientMerge of MR:2 over MR:1", "PatientMerge of MR:1 over MR:2"},
			means:  map[string]string{"MR:1": "MR:1 told 4", "MR:2": "MR:1 told 4"},
			review: []string{"MR:1 merged back", "MR:2 merged back"},
		},
		{
			name:  "several identifiers on both sides, with some on both",
			tells: []string{"NewPatient of MR:1 SSN:7", "NewPatient of MR:2 EHR:8", "PatientMerge of MR:1 SSN:7 EHR:8 over MR:2 EHR:8 SSN:7"},
			means: map[string]string{"MR:1": "MR:1 told 3", "MR:2": "MR:1 told 3", "SSN:7": "MR:1 told 3", "EHR:8": "MR:1 told 3"},
			review: []string{
				"EHR:8 some identifiers stand on both sides", "MR:2 some identifiers stand on both sides", "SSN:7 some identifiers stand on both sides",
			},
		},
		{
			name:   "an identical id under another type is another patient",
			tells:  []string{"NewPatient of MR:5", "NewPatient of EPI:5", "PatientMerge of MR:1 over MR:5"},
			means:  map[string]string{"MR:1": "MR:1 told 3", "MR:5": "MR:1 told 3", "EPI:5": "EPI:5 told 2"},
			review: []string{"MR:5 the same id is known under another type"},
		},
		{
			name:   "merged into one patient and later into another",
			tells:  []string{"NewPatient of MR:9", "PatientMerge of MR:1 over MR:9", "PatientMerge of MR:2 over MR:9"},
			means:  map[string]string{"MR:1": "MR:1 told 2", "MR:2": "MR:2 told 3", "MR:9": "MR:2 told 3"},
			review: []string{"MR:9 merged into different patients"},
		},
		{
			name:   "a merge of visits does not say of which",
			tells:  []string{"Arrival of MR:1", "VisitMerge of MR:1"},
			means:  map[string]string{"MR:1": "MR:1 told 2"},
			review: []string{"MR:1 visits were merged, and the message does not say which"},
		},
	}
}

// message makes the nth message of a case.
func (c *mergeCase) message(sender string, n int) []byte {
	event, ids, _ := strings.Cut(c.tells[n], " of ")
	now, old, _ := strings.Cut(ids, " over ")
	list := func(ids string) string {
		var all []string
		for _, id := range strings.Fields(ids) {
			kind, value, _ := strings.Cut(id, ":")
			all = append(all, fmt.Sprintf(`{"ID":%q,"IDType":%q}`, value, kind))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	at := time.Date(2026, 2, 3, 8, n, 0, 0, time.UTC).Format(time.RFC3339)
	visit := ""
	if event == "Arrival" || event == "VisitMerge" {
		visit = `,"Visit":{"VisitNumber":"77"}`
	}
	return fmt.Appendf(nil, `{"Meta":{"DataModel":"PatientAdmin","EventType":%q,"EventDateTime":%q,"Source":{"ID":"%s-source"},"Logs":[{"ID":"%s-log-%d"}]},
		"Patient":{"Identifiers":%s,"PreviousIdentifiers":%s,"Demographics":{"LastName":"told %d"}}%s}`, event, at, sender, sender, n, list(now), list(old), n+1, visit)
}

// TestMergesOfPatients tells every case twice: as it happened, with a drain after each message, and backwards.
func TestMergesOfPatients(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	cases := mergeCases()
	longest := 0
	for _, c := range cases {
		longest = max(longest, len(c.tells))
	}
	for n := range longest {
		var now [][]byte
		for i, c := range cases {
			if n < len(c.tells) {
				now = append(now, c.message(mark(2*i), n), c.message(mark(2*i+1), len(c.tells)-1-n))
			}
		}
		w.push(now...)
		w.drain()
	}
	for i, c := range cases {
		var means [2]map[string]string
		var review [2][]string
		for sender := range means {
			source := mark(2*i+sender) + "-source"
			means[sender] = map[string]string{}
			for _, line := range w.rowsOf("SELECT id_type || ':' || id, patient_id_type || ':' || patient_id || ' ' || demographics_last_name FROM ward.patient_current WHERE source_id = $1", source) {
				id, patient, _ := strings.Cut(line, "|")
				means[sender][id] += patient // once
			}
			review[sender] = w.rowsOf("SELECT id_type || ':' || id || ' ' || reason FROM ward.merge_review WHERE source_id = $1", source)
			slices.Sort(review[sender])
		}
		t.Run(c.name, func(t *testing.T) {
			for sender, how := range []string{"in order", "backwards"} {
				if diff := cmp.Diff(c.means, means[sender]); diff != "" {
					t.Errorf("%s: patient_current (-want +got):\n%s", how, diff)
				}
				if !slices.Equal(c.review, review[sender]) {
					t.Errorf("%s: merge_review %q, want %q", how, review[sender], c.review)
				}
			}
		})
	}
}
