package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// statusCommand prints one line per job and receiver: how it stands.
func (c *cli) statusCommand() *cobra.Command {
	return c.reading(&cobra.Command{
		Use:   "status",
		Short: "how every job and receiver stands: last run, verdict, freshness, rejects; what was pushed and what became of it",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.toRead(func(cfg *config.Config, w *load.Warehouse) error {
				s, err := c.standing(cfg, w)
				if err != nil {
					return err
				}
				for i := range s.receivers {
					c.lookAtSecrets(cfg, &s.receivers[i], s.facts.tokens)
				}
				defer c.tellBehind(cfg)
				return c.printStatus(s)
			})
		},
	})
}

// jobStatus is a line of `syncd status`.
type jobStatus struct {
	load.Job
	Stale   bool `json:"stale"`   // the last success is older than the job's fresh_within
	Retired bool `json:"retired"` // the ledger knows the job, jobs.toml does not
	// Waiting says what a due slot of the job waits for: its server to come back.
	Waiting string `json:"waiting,omitempty"`
	// Paused says who paused the job, or its source.
	Paused *load.Pause `json:"paused,omitempty"`
}

// standing is how everything stands, as the ledger and the configuration say.
type standing struct {
	jobs      []jobStatus
	receivers []receiverStatus
	facts     receiverFacts
	down      []load.Outage
	pauses    []load.Pause
}

// standing asks the ledger how everything stands. It reads no secret.
func (c *cli) standing(cfg *config.Config, w *load.Warehouse) (*standing, error) {
	var s standing
	known, err := w.Jobs(c.ctx)
	if err != nil {
		return nil, err
	}
	if s.down, err = w.Outages(c.ctx); err != nil {
		return nil, err
	}
	if s.facts, err = c.receiverFacts(w, known); err != nil {
		return nil, err
	}
	if s.pauses, err = w.Pauses(c.ctx); err != nil {
		return nil, err
	}
	s.jobs = c.jobStatuses(cfg, known, s.down, s.pauses)
	s.receivers = receiverStatuses(cfg, s.facts)
	for i := range s.receivers {
		s.receivers[i].Paused = load.PausedOf(s.pauses, "", stream{of: &config.Receiver{Name: s.receivers[i].Name}}.source())
	}
	return &s, nil
}

func (c *cli) jobStatuses(cfg *config.Config, known []load.Job, down []load.Outage, pauses []load.Pause) []jobStatus {
	byName := map[string]load.Job{}
	for _, j := range known {
		byName[j.Job] = j
	}
	var lines []jobStatus
	for _, name := range cfg.Names() {
		j, ok := byName[name]
		if !ok {
			j = load.Job{Job: name, Schema: cfg.Jobs[name].Schema, Source: cfg.Jobs[name].Source}
		}
		delete(byName, name)
		lines = append(lines, c.oneStatus(cfg, j))
	}
	for _, j := range known {
		if _, left := byName[j.Job]; left && !isDrain(cfg, j.Job) {
			lines = append(lines, jobStatus{Job: j, Retired: true})
		}
	}
	for i := range lines {
		lines[i].Waiting = waiting(lines[i].Job, down)
		lines[i].Paused = load.PausedOf(pauses, lines[i].Job.Job, lines[i].Source)
	}
	return lines
}

// jobGrid has a line for each job.
func (c *cli) jobGrid(lines []jobStatus) *grid {
	g := &grid{head: []string{"job", "schema", "state", "verdict", "fresh", "rows", "rejects", "next", "note"}}
	for _, l := range lines {
		g.add(c.statusCells(l)...)
	}
	return g
}

// printStatus prints jobs and receivers: as JSON in one list, otherwise one below the other, as far as there are any.
func (c *cli) printStatus(s *standing) error {
	jobs, lines, receivers := c.jobGrid(s.jobs), s.jobs, s.receivers
	if c.output == "json" {
		all := make([]any, 0, len(lines)+len(receivers))
		for _, l := range lines {
			all = append(all, l)
		}
		for _, r := range receivers {
			all = append(all, r)
		}
		return (&grid{value: all}).print(c.Stdout, c.output)
	}
	parts := []*grid{jobs}
	if len(receivers) > 0 {
		parts = append(parts, c.receiverGrid(receivers), c.feedGrid(receivers))
	}
	printed := 0
	for _, g := range parts {
		if len(g.rows) == 0 && (g != jobs || len(receivers) > 0) {
			continue
		}
		if printed++; printed > 1 {
			fmt.Fprintln(c.Stdout)
		}
		if err := g.print(c.Stdout, c.output); err != nil {
			return err
		}
	}
	return nil
}

// waiting says what a job waits for, if it does.
func waiting(j load.Job, down []load.Outage) string {
	for _, o := range down {
		if j.Due > 0 && o.Source == j.Source {
			return o.String()
		}
	}
	return ""
}

func (c *cli) oneStatus(cfg *config.Config, j load.Job) jobStatus {
	now := c.Now()
	job := cfg.Jobs[j.Job]
	if s := job.Slots; s != nil {
		if next := s.Next(now); !next.IsZero() {
			j.Next = &next
		}
	}
	stale := job.FreshWithin > 0 && j.FreshAt != nil && now.Sub(*j.FreshAt) > job.FreshWithin
	return jobStatus{Job: j, Stale: stale}
}

func (c *cli) statusCells(l jobStatus) []string {
	state, verdict, rows, next := "never ran", "", "", ""
	var notes []string
	if l.Last != nil {
		state, verdict = string(l.Last.State), string(l.Last.Verdict)
		if l.Last.Error != "" {
			notes = append(notes, l.Last.Error)
		}
		if l.Last.Next != "" {
			notes = append(notes, "next: "+l.Last.Next)
		}
	}
	if l.Rows != nil {
		rows = count(*l.Rows)
	}
	if l.Next != nil {
		next = l.Next.Local().Format("Mon 15:04")
	}
	if l.Stale {
		notes = append([]string{"stale"}, notes...)
	}
	if l.Waiting != "" {
		notes = append([]string{"waiting: " + l.Waiting}, notes...)
	}
	if l.Paused != nil {
		notes = append([]string{l.Paused.Subject + " " + l.Paused.String()}, notes...)
	}
	if l.Retired {
		state, notes = "retired", []string{c.retiredNote(l)}
	}
	return []string{l.Job.Job, l.Schema, state, verdict, c.ago(l.FreshAt), rows, count(l.RejectsOpen), next, strings.Join(notes, "; ")}
}

// retiredNote says what becomes of a job that is not in the configuration any more.
func (c *cli) retiredNote(l jobStatus) string {
	note := fmt.Sprintf("not in %s any more, last there %s; its tables stay in schema %s. ", c.config, l.SeenAt.Local().Format(time.DateOnly), l.Schema)
	if strings.HasPrefix(l.Source, "redox.") {
		return note + "Put its receiver back and it goes on: what was pushed is kept under its name"
	}
	return note + "Put its block back and it goes on; for good: " + c.typed("forget "+l.Job.Job)
}

// ago says how long ago t was, in the coarsest unit that still tells.
func (c *cli) ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	d := c.Now().Sub(*t)
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// runsCommand lists runs, newest first.
func (c *cli) runsCommand() *cobra.Command {
	var f load.RunFilter
	var failed bool
	cmd := c.reading(&cobra.Command{
		Use:   "runs [JOB]",
		Short: "what ran, newest first",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.Job = args[0]
			}
			if failed {
				f.State = load.Failed
			}
			return c.toRead(func(cfg *config.Config, w *load.Warehouse) error {
				runs, err := w.Runs(c.ctx, f)
				if err == nil && len(runs) == 0 && f.Job != "" {
					err = c.knows(cfg, w, f.Job)
				}
				if err != nil {
					return err
				}
				return c.printRuns(runs)
			})
		},
	})
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 20, "how many")
	cmd.Flags().BoolVar(&failed, "failed", false, "failed runs only")
	return cmd
}

// knows refuses a name that is neither in the configuration nor in the ledger.
func (c *cli) knows(cfg *config.Config, w *load.Warehouse, name string) error {
	jobs, err := w.Jobs(c.ctx)
	if err != nil || cfg.Jobs[name] != nil || isDrain(cfg, name) || slices.ContainsFunc(jobs, func(j load.Job) bool { return j.Job == name }) {
		return err
	}
	return usage("no job or receiver %q in %s, and none of that name ever ran; %s lists them", name, c.config, c.typed("status"))
}

func (c *cli) printRuns(runs []load.RunRow) error {
	g := &grid{
		head:  []string{"run", "job", "kind", "state", "verdict", "started", "took", "read", "inserted", "updated", "unchanged", "deleted", "rejected", "requests", "error"},
		value: runs,
	}
	for _, r := range runs {
		g.add(strconv.FormatInt(r.RunID, 10), r.Job, r.Kind, string(r.State), string(r.Verdict), stamp(r.StartedAt), took(r.StartedAt, r.EndedAt),
			count(r.Read), count(r.Inserted), count(r.Updated), count(r.Unchanged), count(r.Deleted), count(r.Rejected), count(r.Requests), r.Error)
	}
	return g.print(c.Stdout, c.output)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func took(from time.Time, to *time.Time) string {
	if to == nil {
		return ""
	}
	return to.Sub(from).Round(10 * time.Millisecond).String()
}

// runCommand prints one run in full.
func (c *cli) runCommand() *cobra.Command {
	return c.reading(&cobra.Command{
		Use:   "run ID",
		Short: "one run in full: counts per table, proofs, warnings, the error and what to type next",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usage("run %s: a run's number, as 'syncd runs' lists them", args[0])
			}
			return c.toRead(func(_ *config.Config, w *load.Warehouse) error {
				d, err := w.RunDetail(c.ctx, id)
				if err != nil {
					return err
				}
				return c.printRun(d)
			})
		},
	})
}

func (c *cli) printRun(d *load.RunDetail) error {
	g := tableGrid(d.Tables)
	g.value = d
	if c.output == "table" {
		c.printRunHead(d)
	}
	if c.output != "table" || len(d.Tables) > 0 { // none where it ended before the first
		if err := g.print(c.Stdout, c.output); err != nil || c.output != "table" {
			return err
		}
	}
	for _, p := range d.Proofs {
		fmt.Fprintf(c.Stdout, "proof %s\n", proofLine(p))
	}
	if d.Renamed > 0 {
		fmt.Fprintf(c.Stdout, "renamed %s\n", counted(d.Renamed, "record"))
	}
	for _, r := range d.Rejects {
		fmt.Fprintf(c.Stdout, "rejected %s: %s %s (%s)\n", count(r.Count), r.Table, r.Column, r.Rule)
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(c.Stdout, "warning: %s\n", warning)
	}
	return nil
}

func (c *cli) printRunHead(d *load.RunDetail) {
	fmt.Fprintf(c.Stdout, "run %d of %s (%s): %s", d.RunID, d.Job, d.Kind, d.State)
	if d.Verdict != "" {
		fmt.Fprintf(c.Stdout, ", %s", d.Verdict)
	}
	fmt.Fprintf(c.Stdout, "\nstarted %s, took %s, %s, %s, %s\n", stamp(d.StartedAt), took(d.StartedAt, d.EndedAt),
		counted(d.Requests, "request"), counted(d.Bytes, "byte"), counted(d.Batches, "batch"))
	for _, line := range []struct{ what, text string }{{"because", d.Reason}, {"error", d.Error}, {"next", d.Next}} {
		if line.text != "" {
			fmt.Fprintf(c.Stdout, "%s: %s\n", line.what, line.text)
		}
	}
}

func proofLine(p load.Proof) string {
	s := p.Name + ": holds"
	if !p.Holds {
		s = p.Name + ": does not hold: " + p.Reason
	}
	if !p.At.IsZero() {
		s += ", as of " + stamp(p.At)
	}
	return s
}

// tableGrid shows the outcomes of rows, table by table.
func tableGrid(tables []load.RunTable) *grid {
	g := &grid{head: []string{"table", "read", "inserted", "updated", "unchanged", "deleted", "rejected", "blocked", "misfits", "missing", "live"}}
	for _, t := range tables {
		live := ""
		if t.Live != nil {
			live = count(*t.Live)
		}
		g.add(t.Schema+"."+t.Table, count(t.Read), count(t.Inserted), count(t.Updated), count(t.Unchanged), count(t.Deleted), count(t.Rejected),
			count(t.Blocked), count(t.NonConforming), count(t.Missing), live)
	}
	return g
}
