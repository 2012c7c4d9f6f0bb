package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
	"syncd/migrations"
)

// finding is one line of `syncd check`: what was looked at, how it is, and what to type where it is not well.
type finding struct {
	Subject string `json:"subject"` // configuration, postgres, or a job
	What    string `json:"what"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // not well, and no reason to fail
	Detail  string `json:"detail"`
	Next    string `json:"next,omitempty"`
}

// checkCommand looks at everything that a run needs, and writes nothing.
func (c *cli) checkCommand() *cobra.Command {
	public := ""
	cmd := c.reading(&cobra.Command{
		Use:               "check [JOB|RECEIVER...]",
		Short:             "configuration, Postgres, every source and receiver: what is wrong and what to type next",
		ValidArgsFunction: c.completeAll,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.check(args, public)
		},
	})
	cmd.Flags().StringVar(&public, "public", "", "also play Redox from outside: the URL by which it reaches this host, such as https://etl.example.edu")
	return cmd
}

func (c *cli) check(names []string, public string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	jobs, receivers, err := picked(cfg, names)
	if err != nil {
		return err
	}
	var outside *url.URL
	if public != "" {
		if outside, err = publicBase(public); err != nil {
			return err
		}
	}
	log, err := c.logger(slog.LevelError)
	if err != nil {
		return err
	}
	all := []finding{{
		Subject: "configuration", What: "files", OK: true,
		Detail: fmt.Sprintf("%s, %s, %s, no problem", counted(int64(len(cfg.Files)), "file"), counted(int64(len(cfg.Jobs)), "job"), counted(int64(len(cfg.Receivers)), "receiver")),
	}}
	if what, next := c.behind(cfg); what != "" {
		all = append(all, finding{Subject: "configuration", What: "daemon", Warning: true, Detail: what, Next: next})
	}
	all = append(all, c.checkPostgres(c.ctx, cfg, log)...)
	from := c.newSources(cfg, log, nil)
	from.tries = 1 // somebody is waiting for the answer
	for _, name := range jobs {
		all = append(all, c.checkJob(c.ctx, from, cfg.Jobs[name])...)
	}
	if len(receivers) > 0 {
		all = append(all, c.checkListener(cfg)...)
	}
	if len(names) == 0 {
		for _, name := range cfg.NotifierNames() {
			all = append(all, c.checkNotifier(c.ctx, cfg.Notifiers[name])...)
		}
	}
	for _, name := range receivers {
		all = append(all, c.checkReceiver(c.ctx, cfg, cfg.Receivers[name])...)
		if outside != nil {
			all = append(all, c.playRedox(c.ctx, cfg.Receivers[name], outside)...)
		}
	}
	if err := c.printFindings(all); err != nil {
		return err
	}
	for _, f := range all {
		if !f.OK && !f.Warning {
			return &exitError{code: exitFailed}
		}
	}
	return nil
}

// picked tells the jobs from the receivers among the names that a verb was given; none stands for all of both.
func picked(cfg *config.Config, names []string) (jobs, receivers []string, err error) {
	if len(names) == 0 {
		return cfg.Names(), cfg.ReceiverNames(), nil
	}
	for _, name := range names {
		if _, err := one(cfg, []string{name}); err != nil {
			return nil, nil, err
		}
		if cfg.Receivers[name] != nil {
			receivers = append(receivers, name)
		} else {
			jobs = append(jobs, name)
		}
	}
	return jobs, receivers, nil
}

func (c *cli) printFindings(all []finding) error {
	g := &grid{head: []string{"subject", "what", "result", "detail", "next"}, value: all}
	for _, f := range all {
		result := "ok"
		switch {
		case f.Warning:
			result = "warning"
		case !f.OK:
			result = "FAILED"
		}
		g.add(f.Subject, f.What, result, f.Detail, f.Next)
	}
	return g.print(c.Stdout, c.output)
}

// failed makes a finding of an error.
func failed(subject, what string, err error) finding {
	f := finding{Subject: subject, What: what, Detail: err.Error()}
	var e *extract.Error
	if errors.As(err, &e) {
		f.Next = e.Next
	}
	return f
}

// checkPostgres connects, looks at the server's settings and at the ledger's version.
func (c *cli) checkPostgres(ctx context.Context, cfg *config.Config, log *slog.Logger) []finding {
	const subject = "postgres"
	db, err := c.postgres(ctx, cfg)
	if err != nil {
		return []finding{failed(subject, "url", err)}
	}
	findings := c.checkDatabase(ctx, cfg, db.url, log)
	if err := db.close(); err != nil {
		findings = append(findings, failed(subject, "stop", err))
	}
	return findings
}

func (c *cli) checkDatabase(ctx context.Context, cfg *config.Config, url string, log *slog.Logger) []finding {
	const subject = "postgres"
	w, err := load.Open(ctx, load.Config{URL: url, DDL: load.DDL(cfg.Postgres.DDL), Log: log})
	if err != nil {
		f := failed(subject, "connect", err)
		if f.Next == "" {
			f.Next = "see that it runs, and that host, port, database, user and password in postgres.url are right"
		}
		return []finding{f}
	}
	defer w.Close()
	all := c.checkRoles(ctx, cfg, w, log)
	if last := all[len(all)-1]; last.What == "role" && !last.Warning {
		return all
	}
	ledger, current := checkLedger(ctx, cfg, url, log)
	all = append(all, ledger)
	if current {
		all = append(all, checkInstallation(ctx, cfg, w))
		all = append(all, checkPurge(ctx, cfg, w)...)
	}
	if current && len(cfg.Receivers) > 0 {
		all = append(all, c.checkKept(ctx, cfg, w)...)
	}
	return all
}

// checkLedger also says whether the ledger is of this version.
func checkLedger(ctx context.Context, cfg *config.Config, url string, log *slog.Logger) (f finding, current bool) {
	f = finding{Subject: "postgres", What: "ledger", OK: true}
	state, err := migrations.Status(ctx, migrations.Config{URL: url, Log: log})
	switch {
	case err != nil:
		return failed(f.Subject, f.What, err), false
	case state.Current():
		f.Detail = fmt.Sprintf("schema syncd at version %d", state.Version)
	case cfg.Postgres.DDL == string(load.Plan):
		f.OK, f.Detail, f.Next = false, fmt.Sprintf("schema syncd is at version %d, %d is needed", state.Version, state.Latest), "as the owner: syncd plan | psql"
	default:
		f.Detail = fmt.Sprintf("schema syncd will be brought from version %d to %d by the first sync", state.Version, state.Latest)
	}
	return f, state.Current()
}

// checkJob asks the source everything short of records.
func (c *cli) checkJob(ctx context.Context, from *sources, j *config.Job) []finding {
	source, err := from.of(j)
	if err != nil {
		return []finding{failed(j.Name, "source", err)}
	}
	var all []finding
	for _, f := range source.Check(ctx) {
		all = append(all, finding{Subject: j.Name, What: f.What, OK: f.OK, Warning: f.Warning, Detail: f.Detail, Next: f.Next})
	}
	return all
}
