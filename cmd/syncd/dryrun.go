package main

import (
	"fmt"
	"io"

	"syncd/job"
)

// tellDryRun prints what a run would find.
func tellDryRun(out io.Writer, r job.Report) {
	d := r.DryRun
	which := ""
	if !d.Listed {
		which = ", of the lists that were read whole"
	}
	fmt.Fprintf(out, "%s: dry run, nothing was written; %s ids are new at the source, %s are gone from it%s\n", r.Job, count(d.New), count(d.Gone), which)
	fmt.Fprintf(out, "  compared: %s\n", d.Compared)
	if len(d.Statements) > 0 {
		fmt.Fprintf(out, "  %s statements of DDL would run first; syncd plan %s prints them\n", count(int64(len(d.Statements))), r.Job)
	}
	if d.Held != "" {
		fmt.Fprintf(out, "  the brake would hold it: %s\n", d.Held)
	}
	g := &grid{head: []string{"table", "read", "inserted", "updated", "unchanged", "deleted", "rejected", "live now"}}
	for _, t := range d.Tables {
		live := "none yet"
		if t.Live != nil {
			live = count(*t.Live)
		}
		g.add(t.Schema+"."+t.Table, count(t.Read), count(t.Inserted), count(t.Updated), count(t.Unchanged), count(t.Deleted), count(t.Rejected), live)
	}
	_ = g.table(out)
}
