package redox

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

// fixtures are recorded messages, which stand beside the repository.
const fixtures = "../../../shared/fixtures/redox"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// delivery is a delivery as the receiver keeps it.
func delivery(seq int64, body string) *extract.Delivery {
	e := readEnvelope([]byte(body))
	d := &extract.Delivery{
		Seq: seq, Key: "log:" + time.Duration(seq).String(), ReceivedAt: noon, EventAt: e.at, SourceID: e.source, Model: e.model,
		EventType: e.event, Body: []byte(body),
	}
	return d
}

// everything is a group that has tables for all models.
func everything(types ...string) *group {
	known := map[*entity]bool{}
	for _, m := range models() {
		for _, e := range m.entities {
			known[e] = true
		}
	}
	return newGroup(known, types)
}

// payloads are the bodies of the fixtures, by path.
func payloads(t testing.TB, dir string) map[string]string {
	t.Helper()
	root := filepath.Join(fixtures, dir)
	if _, err := os.Stat(root); err != nil {
		t.Skip("no fixtures beside the repository: ../shared/fixtures/redox is missing")
	}
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" || d.Name() == "field-map.json" {
			return err
		}
		body, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, root+"/")] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryRecordedMessageIsDecoded(t *testing.T) {
	for name, body := range payloads(t, "datamodel") {
		g := everything("MR")
		g.add(delivery(1, body))
		b := g.batch()
		s := b.Settled[0]
		t.Logf("%s: %s %s, %d tables, %d rejects", name, s.Outcome, s.Reason, len(b.Rows), len(b.Rejects))
		if s.Reason == reasonDefect {
			t.Errorf("%s: %s", name, s.Reason)
		}
		for _, r := range b.Rejects {
			t.Errorf("%s: reject of %s: %s", name, r.Table.Name, r.Rule)
		}
	}
}
