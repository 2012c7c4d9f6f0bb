package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/internal/fake/engage"
	"syncd/internal/pgembed"
	"syncd/load"
)

// demoCommand shows the main job on a private Postgres and a fake REDCap, a campus of a fake Engage, and a receiver of what a fake Redox pushes.
func (c *cli) demoCommand() *cobra.Command {
	var dir string
	var records int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the nightly job on a private Postgres and a fake REDCap, again after a few changes, then a campus of a fake Engage and pushes of a fake Redox",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if records < 40 {
				return usage("--records %d: at least 40", records)
			}
			folder, err := demoFolder(dir, cmd.Flags().Changed("data"))
			if err != nil {
				return err
			}
			return c.demo(folder, records)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "demo-data", "folder for everything the demo makes; it may be deleted afterwards")
	cmd.Flags().IntVar(&records, "records", 20_000, "records of the largest project")
	return cmd
}

// demoMark begins the jobs.toml of a demo; a folder without it is somebody's own.
const demoMark = "# Written by `syncd demo`"

// demoFolder chooses an empty folder for the demo: the one asked for, or, where the server cannot live below this one (as root, whose
// own folders are closed to the server's user), one that every user may enter. What an earlier demo left there goes.
func demoFolder(dir string, asked bool) (string, error) {
	if err := pgembed.Reachable(filepath.Join(dir, "postgres")); err != nil {
		if asked {
			return "", &extract.Error{Kind: extract.KindConfig, What: "choose data folder", Cause: err}
		}
		dir = filepath.Join(os.TempDir(), "syncd-demo")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return dir, nil
	}
	if err != nil {
		return "", fmt.Errorf("read data folder: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "jobs.toml"))
	if err != nil || !strings.HasPrefix(string(text), demoMark) {
		return "", usage("folder %s holds something that is not a demo's: choose another with --data", dir)
	}
	if !pgembed.Free(filepath.Join(dir, "postgres")) {
		return "", usage("a demo is running in %s: end that one, or choose another folder with --data", dir)
	}
	return dir, os.RemoveAll(dir)
}

func (c *cli) demo(dir string, records int) error {
	s := c.stopping(c.ctx, 1)
	defer s.end()
	projects, err := fakeProjects("", records)
	if err != nil {
		return err
	}
	fake, err := serveFake(&fakeListener{address: "127.0.0.1:0"}, projects, 0)
	if err != nil {
		return err
	}
	d := &demo{cli: c, dir: dir, projects: projects}
	campus, err := d.serveCampus()
	if err != nil {
		return errors.Join(err, fake.close())
	}
	err = d.run(s.ctx, fake.url, campus.url)
	if errors.Is(err, errInterrupted) {
		err = nil
	}
	return errors.Join(err, fake.close(), campus.close())
}

// demo is one guided tour. It uses the same parts as the verbs do, through a jobs.toml that it writes.
type demo struct {
	*cli
	dir      string
	projects []fakeProject
	campus   *engage.Campus
}

// nightly are the jobs of the first part.
func (d *demo) nightly() []string {
	var names []string
	for _, p := range d.projects {
		names = append(names, p.name)
	}
	return names
}

func (d *demo) run(ctx context.Context, fakeURL, campusURL string) error {
	if err := d.write(fakeURL, campusURL); err != nil {
		return err
	}
	inner := &cli{Main: d.Main, ctx: ctx, config: filepath.Join(d.dir, "jobs.toml"), output: "table", logLevel: d.logLevel, logFormat: d.logFormat}
	cfg, err := inner.load()
	if err != nil {
		return err
	}
	log, err := inner.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	d.say("starting a private Postgres in %s ...", d.dir)
	db, err := inner.postgres(ctx, cfg)
	if err != nil {
		return err
	}
	err = d.tour(ctx, inner, cfg, db.url, log)
	return errors.Join(err, db.close())
}

// write makes the folder with jobs.toml and one token file per job, as a user would have it.
func (d *demo) write(fakeURL, campusURL string) error {
	tokens := filepath.Join(d.dir, "tokens")
	if err := os.MkdirAll(tokens, 0o755); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	var b strings.Builder
	b.WriteString(demoMark + "; made anew by each demo.\ndata_dir = \".\"\n[postgres]\nprivate = true\n[serve]\nadmin = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n")
	fmt.Fprintf(&b, "[redcap.fake]\nurl = %q\nrequests_per_minute = 0\ntokens = \"dir:tokens\"\n[redcap.fake.defaults]\nschedule = \"* * * * *\"\n", fakeURL)
	for _, p := range d.projects {
		fmt.Fprintf(&b, "[job.%s]   # %s\nsource = \"redcap.fake\"\n", p.name, p.what)
		if err := os.WriteFile(filepath.Join(tokens, p.name), []byte(p.project.Token()+"\n"), 0o600); err != nil {
			return fmt.Errorf("write token: %w", err)
		}
	}
	campus, err := d.writeCampus(campusURL)
	if err != nil {
		return err
	}
	receiver, err := d.writeReceiver()
	if err != nil {
		return err
	}
	b.WriteString(campus + receiver)
	return os.WriteFile(filepath.Join(d.dir, "jobs.toml"), []byte(b.String()), 0o600)
}

func (d *demo) tour(ctx context.Context, inner *cli, cfg *config.Config, url string, log *slog.Logger) error {
	if err := inner.migrate(ctx, cfg, url, log); err != nil {
		return err
	}
	w, err := load.Open(ctx, load.Config{URL: url, DDL: load.Apply, Log: log})
	if err != nil {
		return err
	}
	defer w.Close()
	d.say("\nthe night's work: %d projects of a fake REDCap, every record read and compared", len(d.projects))
	if err := inner.sync(cfg, w, d.nightly(), syncing{}); err != nil {
		return err
	}
	d.say("")
	if err := d.printTables(ctx, w); err != nil {
		return err
	}
	d.say("\nlook at it while this runs:\n  psql %q\n  \\dt clinic.*    select * from clinic.redcap_record limit 5;", url)

	changed, err := d.change()
	if err != nil {
		return err
	}
	d.say("\nat the source: %s\nthe next night:", changed)
	if err := inner.sync(cfg, w, d.nightly(), syncing{}); err != nil {
		return err
	}
	d.say("\nonly what changed was touched; the ledger says so:")
	runs, err := w.Runs(ctx, load.RunFilter{Limit: len(d.projects)})
	if err != nil {
		return err
	}
	if err := inner.printRuns(runs); err != nil {
		return err
	}
	if err := d.showCampus(ctx, inner, cfg, w); err != nil {
		return err
	}
	p, err := d.receive(inner, cfg, w, log)
	if err != nil {
		return err
	}
	err = p.show(ctx)
	if err == nil && isTerminal(d.Stdout) {
		err = p.stay(ctx)
	}
	return p.close(err)
}

// stay keeps a daemon running to look at, until Ctrl-C.
func (p *pushed) stay(ctx context.Context) error {
	p.say("\na daemon now runs the schedules (every minute) and drains what is pushed, until Ctrl-C; in another terminal:\n  bin/syncd -c %s status", p.inner.config)
	drained, end := p.goOn(ctx)
	defer end()
	defer p.teach(ctx)()
	return p.inner.runEngine(ctx, p.cfg, p.w, p.log, drained)
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Stdout, format+"\n", args...) }

// printTables shows what landed: the tables of each schema with their rows.
func (d *demo) printTables(ctx context.Context, w *load.Warehouse) error {
	jobs, err := w.Jobs(ctx)
	if err != nil {
		return err
	}
	g := &grid{head: []string{"job", "project", "schema", "tables", "rows", "verdict"}}
	for _, j := range jobs {
		if j.Last == nil {
			continue
		}
		detail, err := w.RunDetail(ctx, j.Last.RunID)
		if err != nil {
			return err
		}
		rows := int64(0)
		for _, t := range detail.Tables {
			if t.Live != nil {
				rows += *t.Live
			}
		}
		g.add(j.Job, j.Title, j.Schema, count(int64(len(detail.Tables))), count(rows), string(j.Last.Verdict))
	}
	return g.print(io.Writer(d.Stdout), "table")
}

// change edits, adds, deletes a few records at the source and says what it did.
func (d *demo) change() (string, error) {
	clinic := d.projects[0].project
	field := ""
	for _, f := range clinic.Fields() {
		if f.Type == "notes" || f.Type == "text" && f.Validation == "" && f.Name != clinic.RecordField() {
			field = f.Name
			break
		}
	}
	for _, id := range []string{"7", "19", "23"} {
		if err := clinic.Set(id, "", "", 0, field, "seen again in the demo"); err != nil {
			return "", err
		}
	}
	if err := clinic.Delete("31"); err != nil {
		return "", err
	}
	return fmt.Sprintf("3 records of clinic get a new %s, record 31 is deleted", field), nil
}
