package main

import (
	"context"
	"fmt"
	"strings"

	"syncd/extract"
	"syncd/extract/engage"
)

// lookAtCampus asks Engage which lists the key may read and how long they are, and tells. Lists that it may not read are left
// out of the block.
func (a *adding) lookAtCampus(from *sources) (extract.Identity, error) {
	source, err := from.campus(a.job)
	if err != nil {
		return extract.Identity{}, err
	}
	structure, err := source.Describe(a.ctx, extract.Since{})
	var lists []engage.List
	if err == nil {
		lists, err = source.Lists(a.ctx)
	}
	if err != nil {
		if a.ctx.Err() != nil {
			err = context.Cause(a.ctx)
		}
		return extract.Identity{}, err
	}
	id := structure.Identity
	fmt.Fprintf(a.Stdout, "campus %s, the API of %s\n", id.ID, id.Version)
	var may []string
	first, nightly := 1, 1
	for _, l := range lists {
		if l.Refused != nil {
			fmt.Fprintf(a.Stdout, "lacking: %s may not be read (%v): it is left out\n", l.Name, l.Refused)
			continue
		}
		fmt.Fprintf(a.Stdout, "  %-20s %s listed\n", l.Name, count(int64(l.Items)))
		may = append(may, fmt.Sprintf("%q", l.Name))
		first, nightly = first+l.Requests, nightly+1
	}
	if len(may) == 0 {
		e := extract.Errorf(extract.KindRights, "add job "+a.name, "the key may read none of the lists")
		e.Next = "ask Engage support for the resources of this key"
		return id, e
	}
	if len(may) < len(lists) {
		if err := a.readWith("resources = [" + strings.Join(may, ", ") + "]\n"); err != nil {
			return id, err
		}
	}
	a.tellCost(first, nightly, "a run in which nothing changed, at the least", a.job.Campus.RequestsPerSecond*60)
	a.tellTables(len(structure.Tables))
	return id, nil
}
