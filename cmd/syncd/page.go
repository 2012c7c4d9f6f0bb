package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
	"syncd/ops"
	"syncd/ops/notice"
)

const (
	underWayShown = 100 // runs
	lookedBack    = 200 // runs, for who was at work

	sightingHolds = 3 * time.Minute // every replica looks once a minute
)

// board is what the operators' page shows now: what status, runs and backfill list print, and sources.
func (d *daemon) board(ctx context.Context) (*ops.Board, error) {
	c := *d.c
	c.ctx = ctx
	cfg, w := d.config(), d.warehouse()
	b := &ops.Board{Title: "syncd on " + hostName(), At: d.c.Now(), Status: serves(cfg), Notices: d.loaded.notices()}
	if w == nil {
		b.Notices = append(b.Notices, "waiting for Postgres: pushes are answered with 503, and Redox keeps what it has")
		return b, nil
	}
	where, err := w.Whereabouts(ctx, cfg.Installation)
	if err != nil {
		return nil, err
	}
	if where.Stop != "" {
		stopped := load.Stopped(where.Stop)
		b.Notices = append(b.Notices, stopped.Error(), nextOf(stopped))
	}
	s, err := c.standing(cfg, w)
	if err != nil {
		return nil, err
	}
	running, err := w.Runs(ctx, load.RunFilter{State: load.Running, Limit: underWayShown})
	if err != nil {
		return nil, err
	}
	lately, err := w.Runs(ctx, load.RunFilter{Limit: lookedBack})
	if err != nil {
		return nil, err
	}
	backfills, err := w.Backfills(ctx, "", 3)
	if err != nil {
		return nil, err
	}
	holds, err := w.Standing(ctx)
	if err != nil {
		return nil, err
	}
	refused := d.misconfigured()
	for _, seen := range holds.Sightings { // by any replica, in its last look
		if seen.Cause == string(notice.Misconfigured) && holds.Now.Sub(seen.SeenAt) < sightingHolds {
			refused[seen.Subject] = true
		}
	}
	for i := range s.receivers {
		if refused[s.receivers[i].Name] {
			s.receivers[i].Faults = []string{"misconfigured"}
		}
	}
	b.Sections = []ops.Section{
		c.noticeSection(holds.Notices), c.jobSection(s.jobs), c.runSection(running), sourceSection(cfg, s, d.sources().offsets()), c.receiverSection(s.receivers),
		section("Feeds", c.feedGrid(s.receivers), nil), section("Backfills", backfillGrid(backfills), nil), processSection(lately, d.c.ago),
	}
	return b, nil
}

// warehouse is nil until Postgres is there.
func (d *daemon) warehouse() *load.Warehouse {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.w
}

// misconfigured are the receivers of this process that let nobody in.
func (d *daemon) misconfigured() map[string]bool {
	d.mu.Lock()
	in := d.in
	d.mu.Unlock()
	names := map[string]bool{}
	if in == nil {
		return names
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, r := range in.received {
		names[r.name] = r.gate == nil
	}
	return names
}

// notices say where the configuration in use is not that of the files.
func (l *loaded) notices() []string {
	s := l.state()
	var all []string
	if s.Refused != nil {
		all = append(all, fmt.Sprintf("the configuration of %s is in use: what was found at %s had problems; syncd check names them", stamp(s.LoadedAt), stamp(*s.Refused)))
	}
	if len(s.Restart) > 0 {
		all = append(all, "restart to apply: "+strings.Join(s.Restart, ", "))
	}
	return all
}

// nextOf is what to type after an error.
func nextOf(err error) string {
	var known *extract.Error
	if errors.As(err, &known) {
		return known.Next
	}
	return ""
}

// section shows a grid; tone says how its rows are to be seen, in their order.
func section(title string, g *grid, tone func(i int) ops.Tone) ops.Section {
	s := ops.Section{Title: title, Head: g.head}
	for i, cells := range g.rows {
		row := ops.BoardRow{Cells: cells}
		if tone != nil {
			row.Tone = tone(i)
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// noticeSection has a line for each thing that somebody should know of, whether or not there is a notifier to tell it.
func (c *cli) noticeSection(all []load.Notice) ops.Section {
	g := &grid{head: []string{"subject", "what", "since", "count", "run", "told"}}
	for _, n := range all {
		if n.Ended != nil {
			continue
		}
		run := ""
		if n.RunID > 0 {
			run = strconv.FormatInt(n.RunID, 10)
		}
		g.add(n.Subject, strings.ReplaceAll(n.Cause, "_", " "), stamp(n.Began), count(n.Count), run, c.ago(n.Told))
	}
	return section("To look at", g, func(int) ops.Tone { return ops.Warn })
}

func (c *cli) jobSection(lines []jobStatus) ops.Section {
	s := section("Jobs", c.jobGrid(lines), func(i int) ops.Tone {
		switch l := lines[i]; {
		case l.Retired, l.Last == nil:
			return ops.Calm
		case l.Last.State == load.Running:
			return ops.Running
		case l.Last.State == load.Failed, l.Last.Verdict == load.Mismatch:
			return ops.Bad
		case l.Stale, l.Paused != nil, l.Waiting != "", l.Last.State == load.Held, l.Last.Verdict == load.Unproven, l.RejectsOpen > 0:
			return ops.Warn
		}
		return ops.Calm
	})
	s.Empty = "no job is configured"
	return s
}

func (c *cli) runSection(running []load.RunRow) ops.Section {
	g := &grid{head: []string{"run", "job", "kind", "since", "for", "rows read", "requests", "by"}}
	for _, r := range running {
		g.add(strconv.FormatInt(r.RunID, 10), r.Job, strings.TrimSpace(r.Kind+" "+r.Chunk), stamp(r.StartedAt), c.Now().Sub(r.StartedAt).Round(time.Second).String(),
			count(r.Read), count(r.Requests), processOf(r.Holder))
	}
	s := section("Runs under way", g, func(int) ops.Tone { return ops.Running })
	s.Empty = "none"
	return s
}

func (c *cli) receiverSection(all []receiverStatus) ops.Section {
	return section("Receivers", c.receiverGrid(all), func(i int) ops.Tone {
		switch r := all[i]; {
		case r.Retired:
			return ops.Calm
		case len(r.Faults) > 0, r.Drain != nil && r.Drain.State == load.Failed:
			return ops.Bad
		case r.Paused != nil, r.Outcomes[string(extract.Rejected)] > 0:
			return ops.Warn
		}
		return ops.Calm
	})
}

// sourceSection has a line for each source: whether it is up, its budget, and its clock.
func sourceSection(cfg *config.Config, s *standing, clocks map[string]time.Duration) ops.Section {
	budgets, jobs := map[string]string{}, map[string]int{}
	for name, server := range cfg.Servers {
		budgets["redcap."+name] = budgetOf(server.RequestsPerMinute, "a minute")
	}
	for name, campus := range cfg.Campuses {
		budgets["engage."+name] = budgetOf(campus.RequestsPerSecond, "a second")
	}
	for _, j := range cfg.Jobs {
		jobs[j.Source]++
	}
	g := &grid{head: []string{"source", "state", "budget", "jobs", "clock", "note"}}
	var tones []ops.Tone
	for _, name := range slices.Sorted(maps.Keys(budgets)) {
		state, tone, clock, note := "up", ops.Calm, "", ""
		if at := slices.IndexFunc(s.down, func(o load.Outage) bool { return o.Source == name }); at >= 0 {
			state, tone, note = "down", ops.Bad, s.down[at].Refusal()
		}
		if p := load.PausedOf(s.pauses, "", name); p != nil {
			note, tone = strings.TrimPrefix(note+"; "+p.String(), "; "), cmp.Or(tone, ops.Warn)
		}
		if offset, ok := clocks[name]; ok {
			clock = offset.Round(time.Second).String()
		}
		g.add(name, state, budgets[name], count(int64(jobs[name])), clock, note)
		tones = append(tones, tone)
	}
	return section("Sources", g, func(i int) ops.Tone { return tones[i] })
}

func budgetOf(n int, per string) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%d requests %s", n, per)
}

// processSection has a line for each process that made one of the last runs, and one at the top for those that are at it.
func processSection(runs []load.RunRow, ago func(*time.Time) string) ops.Section {
	type work struct {
		running, runs int64
		last          time.Time
	}
	by := map[string]*work{}
	var order []string
	for _, r := range runs {
		name := processOf(r.Holder)
		if by[name] == nil {
			by[name] = &work{last: r.StartedAt}
			order = append(order, name)
		}
		by[name].runs++
		if r.State == load.Running {
			by[name].running++
		}
	}
	g := &grid{head: []string{"process", "last run began", "runs under way", "of the last " + counted(int64(len(runs)), "run")}}
	for _, name := range order {
		g.add(name, ago(&by[name].last), count(by[name].running), count(by[name].runs))
	}
	return section("Processes that were at work", g, func(i int) ops.Tone {
		if by[order[i]].running > 0 {
			return ops.Running
		}
		return ops.Calm
	})
}

// processOf names a holder of runs by its machine and process, without the part that makes it unique.
func processOf(holder string) string {
	if i := strings.LastIndexByte(holder, '/'); i > 0 {
		return holder[:i]
	}
	return holder
}
