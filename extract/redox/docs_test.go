package redox

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/redox-tables.md anew")

// tablesPage lists, by model, the tables of a receiver's schema, and the views beside them.
func tablesPage() string {
	var b strings.Builder
	b.WriteString("# Tables of a Redox receiver\n\n" +
		"Made of the code by `go test ./extract/redox -run Page -update`. Tables of a model exist once a message of it has come. The columns behind the key are the fields of\n" +
		"the message in snake_case; the comments of tables and columns in Postgres say which. A table whose name stands in bold carries the version of the thing that its key\n" +
		"names: the rows of the tables below it are replaced together with its row, by the newest message about that thing. Each table has its history in `<schema>_history`, with\n" +
		"`version` at the end of the key, unless it says *facts*. Keys begin with `source_id`, the sending system, unless they say otherwise.\n")
	seen := map[*entity]bool{}
	for _, m := range models() {
		fmt.Fprintf(&b, "\n## %s\n\n| table or view | key | what it holds |\n|---|---|---|\n", m.name)
		for _, e := range m.entities {
			if seen[e] {
				fmt.Fprintf(&b, "| `%s` | | as above |\n", e.name)
				continue
			}
			seen[e] = true
			for i, t := range e.tables {
				name := "`" + t.live.Name + "`"
				if i == 0 {
					name = "**" + name + "**"
				}
				if t.past == nil {
					name += " *facts*"
				}
				var key []string
				for _, c := range t.columns[:t.keys] {
					key = append(key, c.name)
				}
				if key[0] == "source_id" {
					key = key[1:]
				}
				fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(key, ", "), t.live.Comment)
			}
			for _, v := range e.views {
				if !strings.HasSuffix(v.Name, "_filled") {
					fmt.Fprintf(&b, "| `%s` view | | %s |\n", v.Name, v.Comment)
				}
			}
		}
	}
	b.WriteString("\nBeside each table that carries versions, `<table>_filled` shows of every column the last value that a message brought, and beside each table below it the rows\n" +
		"of the newest message that brought any: a message that leaves something out does not say that it is gone. The tables themselves are the last message, as it was.\n")
	return b.String()
}

func TestThePageOfTablesIsTrue(t *testing.T) {
	path, page := filepath.Join("..", "..", "docs", "redox-tables.md"), tablesPage()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != page {
		t.Error("docs/redox-tables.md is not what the code says; go test ./extract/redox -run Page -update writes it")
	}
}

func TestEveryTableAndViewIsExplained(t *testing.T) {
	var names []string
	seen := map[*entity]bool{}
	for _, m := range models() {
		for _, e := range m.entities {
			if seen[e] {
				continue
			}
			seen[e] = true
			for _, table := range e.tables {
				names = append(names, table.live.Name)
				if !strings.HasSuffix(table.live.Comment, ".") {
					t.Errorf("table %s has no sentence", table.live.Name)
				}
			}
			for _, v := range e.views {
				names = append(names, v.Name)
				if !strings.HasSuffix(v.Comment, ".") {
					t.Errorf("view %s has no sentence", v.Name)
				}
			}
		}
	}
	slices.Sort(names)
	if n := len(slices.Compact(slices.Clone(names))); n != len(names) {
		t.Errorf("%d names of tables and views stand twice", len(names)-n)
	}
}
