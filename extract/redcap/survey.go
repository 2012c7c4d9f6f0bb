package redcap

import (
	"context"
	"errors"
	"strings"
	"time"

	"syncd/extract"
)

// Survey is what somebody wants to know of a project before it is pulled.
type Survey struct {
	Identity                     extract.Identity
	Records, Instruments, Fields int
	Tables                       int
	Lacking                      []string // rights that the token lacks, each with what that costs
	Refused                      int      // records whose ids cannot be stored
	// First and Nightly are about how many requests the first load takes, and a run that finds nothing changed.
	First, Nightly int
}

// How many requests a run takes that finds nothing changed, with the right to the log and without.
const (
	quietWithLog    = 5
	quietWithoutLog = 9
)

// cellBytes is about what a column of a row takes in an answer; most are empty.
const cellBytes = 4

// Survey looks at a project as Check does. It reads no record.
func (s *Source) Survey(ctx context.Context) (*Survey, error) {
	structure, err := s.Describe(ctx, extract.Since{})
	if err != nil {
		return nil, err
	}
	v := &Survey{
		Identity: structure.Identity, Instruments: len(s.model.instruments), Fields: len(s.model.fields), Tables: len(structure.Tables),
		Nightly: quietWithLog,
	}
	for _, w := range structure.Warnings {
		v.Lacking = append(v.Lacking, strings.ReplaceAll(w, "left as stored", "left empty"))
	}
	list, err := s.listIDs(ctx, listing{where: s.cfg.Options.RecordsWhere})
	if err != nil {
		return nil, err
	}
	v.Records = list.ids.Len()
	for _, n := range list.refused {
		v.Refused += n
	}
	asked, _, _ := s.Cost()
	v.First = int(asked) + 1 + s.pages(list)
	now := s.wall(s.cfg.Now()).Truncate(time.Minute)
	switch err := s.readLog(ctx, now, time.Time{}, func(*logRow) error { return nil }); {
	case errors.Is(err, errNoLog):
		v.Nightly = quietWithoutLog
		v.Lacking = append(v.Lacking, "the log may not be read (the Logging right is missing): a night in which nothing changed costs nine requests in place of five, and an erased project is not told from an empty one")
	case err != nil && ctx.Err() != nil:
		return nil, err
	}
	return v, nil
}

// pages is about how many requests the records of a list take.
func (s *Source) pages(list *idList) (n int) {
	p := s.model.snapshot
	row := cellBytes * len(p.fields)
	if n := list.ids.Len(); n > 0 {
		row = row * list.rows.over(n) / n
	}
	size := s.newSizer(p)
	at := 0
	next := func() (string, bool) {
		if at == list.ids.Len() {
			return "", false
		}
		at++
		return list.ids.At(at - 1), true
	}
	for held := ""; ; n++ {
		if held != "" {
			at--
		}
		var ids []string
		if ids, held = size.take(next); len(ids) == 0 {
			return n
		}
		size.good(len(ids), time.Second, len(ids)*row)
	}
}

// over is how many rows n records have at least.
func (c *rowCounts) over(n int) int {
	for _, r := range c.list {
		n += int(r.n) - 1
	}
	return n
}
