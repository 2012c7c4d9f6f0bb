package redcap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/extract"
)

// The least and the usual overlap of runs by changes: the log is kept in minutes, clocks differ, transactions are long.
const (
	leastReread = 2 * time.Hour
	usualReread = 24 * time.Hour
)

// reading is what Describe found out about how this run has to read.
type reading struct {
	full  bool      // every record is read
	known *memory   // of the last good run; nil where there is none
	fresh *memory   // of this one
	mark  time.Time // the server's time from which on changes are asked for; zero where the run knows none
	told  *newsroom // what the log told; nil where it was not read
	wary  bool      // the server has another version than before
	diff  change
	doubt []string // why what seems to be gone may not be
}

// lightCalls are asked where nothing tells whether the structure changed. What they do not cover (arms, groups, the spelling
// of export columns) changes together with something that they do, or is seen in the list of ids.
func lightCalls(call string) bool {
	switch call {
	case "metadata", "instrument", "event", "formEventMapping", "repeatingFormsEvents":
		return true
	}
	return strings.HasPrefix(call, callHeader)
}

// read reads the structure as far as the last good run cannot vouch for it, and decides how the run reads records.
func (s *Source) read(ctx context.Context, since extract.Since) (*snapshot, error) {
	r := &s.reading
	*r = reading{known: remember(since.Memo), fresh: newMemory()}
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	r.fresh.Token = tokenHash(token)
	first := &snapshot{}
	s.from = &inquiry{fresh: r.fresh}
	if err := s.readVersion(ctx, first); err != nil {
		return nil, err
	}
	if err := s.readProject(ctx, first); err != nil {
		return nil, err
	}
	r.fresh.Project = first.info["project_id"]
	if r.known != nil && r.known.Project != r.fresh.Project {
		r.known = nil // of another project; whether this one may be read is for the warehouse to say
	}
	if at, err := time.Parse(time.RFC3339, since.Marks[MarkServerTime]); err == nil && r.known != nil {
		r.mark = at.Add(-s.reread())
	}
	r.fresh.Asked = s.cfg.Options.asked()
	if since.Part != nil && since.Part.Step != extract.Collect {
		return s.readAsPlanned(ctx, since, first)
	}
	r.full = since.Full || r.known == nil || r.mark.IsZero() || r.known.Asked != r.fresh.Asked
	if r.known == nil {
		return s.readRest(ctx, first, &inquiry{fresh: r.fresh})
	}
	r.wary = !r.fresh.Answers["version"].same(r.known.Answers["version"])
	if r.wary {
		r.full = true
		first.warn("REDCap's version changed to %s: structure and rights were read anew, every record is compared, and the brake holds at half its limits", first.version)
	}
	if err := s.lookAtLog(ctx, since.Full); err != nil {
		return nil, err
	}
	p, err := s.readChanged(ctx, since, first)
	if err != nil {
		return nil, err
	}
	r.doubt = append(r.doubt, r.doubts()...)
	return p, nil
}

// reread is how far before the last good run changes are asked for.
func (s *Source) reread() time.Duration {
	if s.cfg.Options.Reread == 0 {
		return usualReread
	}
	return max(s.cfg.Options.Reread, leastReread)
}

// readChanged reads what may have changed of the structure.
func (s *Source) readChanged(ctx context.Context, since extract.Since, first *snapshot) (*snapshot, error) {
	r := &s.reading
	whole := func() (*snapshot, error) {
		p, err := s.readRest(ctx, first, &inquiry{fresh: r.fresh})
		if err == nil {
			err = s.compareStructure(ctx, p)
		}
		return p, err
	}
	moved := !r.fresh.Answers["project"].same(r.known.Answers["project"])
	if r.full || since.Stale || moved || r.told != nil && r.told.structure {
		return whole()
	}
	q := &inquiry{known: r.known, fresh: r.fresh}
	if r.told == nil {
		q.live = lightCalls
	}
	p, err := s.readRest(ctx, first, q)
	switch kind := extract.KindOf(err); {
	case err == nil:
	case errors.Is(err, errForgotten), kind == extract.KindGarbled, kind == extract.KindDrift:
		return whole() // what is remembered and what is fresh do not agree
	default:
		return nil, err
	}
	for call, answer := range r.fresh.Answers {
		if !answer.same(r.known.Answers[call]) {
			return whole()
		}
	}
	return p, nil
}

// readRest reads all of the structure but version and project, which first has.
func (s *Source) readRest(ctx context.Context, first *snapshot, q *inquiry) (*snapshot, error) {
	s.from = q
	p := &snapshot{version: first.version, info: first.info, longitudinal: first.longitudinal, missing: first.missing, warnings: slices.Clone(first.warnings)}
	for _, step := range s.steps() {
		if err := step(ctx, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// recalled is the structure that the last good run read; nil where its memory is not whole.
func (s *Source) recalled(ctx context.Context) *snapshot {
	back := s.from
	defer func() { s.from = back }()
	s.from = &inquiry{known: s.reading.known, mute: true}
	p := &snapshot{}
	for _, step := range append([]func(context.Context, *snapshot) error{s.readVersion, s.readProject}, s.steps()...) {
		if err := step(ctx, p); err != nil {
			return nil
		}
	}
	return p
}

// compareStructure finds what was renamed, and which instruments have to be read again for every record.
func (s *Source) compareStructure(ctx context.Context, p *snapshot) error {
	r := &s.reading
	old := s.recalled(ctx)
	if old == nil {
		r.diff.all = true
		return nil
	}
	before, err := newModel(old, s.cfg.Options)
	if err != nil {
		r.diff.all = true
		return nil
	}
	said := p.warnings
	now, err := newModel(p, s.cfg.Options)
	p.warnings = said // they come again with the model that is pulled by
	if err != nil {
		return err
	}
	r.diff = compareModels(before, now)
	if r.diff.hidden > 0 {
		r.doubt = append(r.doubt, fmt.Sprintf("an export right of the token's user was taken away: %d columns are not exported any more", r.diff.hidden))
	}
	return nil
}

// doubts are the reasons, beside the structure, why what seems to be gone may only be out of sight.
func (r *reading) doubts() []string {
	var all []string
	was, is := r.known.User, r.fresh.User
	switch {
	case r.told != nil && r.told.erased:
		all = append(all, `the log says "Erase all data"`)
	case was != "" && is != "" && was != is:
		all = append(all, "another user's token reads than at the last good run")
	case r.known.Token != r.fresh.Token && (is == "" || was == "" && r.known.NoLog): // a first run does not learn whose token it is
		all = append(all, "another token reads than at the last good run, and whose it is is not known")
	}
	return all
}

// renameID tells one change of structure from another.
func (r *reading) renameID() string {
	h := sha256.New()
	for _, m := range []*memory{r.known, r.fresh} {
		if m == nil {
			continue
		}
		calls := make([]string, 0, len(m.Answers))
		for call := range m.Answers {
			calls = append(calls, call)
		}
		slices.Sort(calls)
		for _, call := range calls {
			fmt.Fprintf(h, "%s\x00%s\x00%s\x00", call, m.Answers[call].Sum, m.Answers[call].Refused)
		}
		h.Write([]byte{1})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
