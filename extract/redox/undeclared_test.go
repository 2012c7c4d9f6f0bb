package redox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
)

// objects calls f with every object of a document and its path.
func objects(value any, path string, f func(path string, object map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		f(path, v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			objects(v[name], under(path, name), f)
		}
	case []any:
		for _, e := range v {
			objects(e, path+"[]", f)
		}
	}
}

func TestWhatNobodyDeclaredIsKept(t *testing.T) {
	tried := 0
	for name, body := range payloads(t, "datamodel") {
		d := delivery(1, body)
		if least[d.Model] == nil || eventOf(d.Model, d.EventType) != pushedEvent {
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		var at []string
		objects(doc, "", func(path string, object map[string]any) {
			if !leftOut(d.Model+"."+d.EventType, under(path, "zebra")) {
				at = append(at, path)
				object["zebra"] = fmt.Sprintf("stripe %d.", len(at))
			}
		})
		changed, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		kept := undeclared(decodeOne(string(changed)))
		for i, path := range at {
			tried++
			if !strings.Contains(kept, fmt.Sprintf("stripe %d.", i+1)) {
				t.Errorf("%s: a member of %q that nobody declared is lost", name, path)
			}
		}
	}
	t.Logf("%d objects", tried)
}

// undeclared is what a batch holds of members that nobody declared: in notes, and in cells of JSON.
func undeclared(b *extract.Batch) string {
	var s strings.Builder
	for _, rows := range b.Rows {
		for _, n := range rows.Notes() {
			if n.Kind == extract.Extra {
				s.WriteString(n.Value)
			}
		}
		for i := range rows.Len() {
			for j, c := range rows.Table.Columns {
				if cell, ok := rows.Cell(i, j); ok && c.Type == extract.JSONB {
					s.Write(cell)
				}
			}
		}
	}
	return s.String()
}
