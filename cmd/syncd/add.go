package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/internal/config"
	"syncd/load"
)

// addFolder holds the jobs that `syncd add` makes, a file for each, beside jobs.toml.
const addFolder = "jobs.d"

// addCommand adds a job to a configuration that is there.
func (c *cli) addCommand() *cobra.Command {
	var source, tokenFile string
	var yes bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "add a project, or a campus: shows what it is and what it will cost, then writes " + addFolder + "/NAME.toml",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.add(args[0], source, tokenFile, yes)
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "redcap.NAME or engage.NAME (default: the only one there is)")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the project's API token, which only you can read")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask whether to go on")
	return cmd
}

// adding is one `syncd add` under way.
type adding struct {
	*cli
	ctx    context.Context // ends at the first signal
	cfg    *config.Config  // with the new job, as it will be read
	log    *slog.Logger
	ask    *dialog
	job    *config.Job
	name   string
	source string
	title  string // of the project, for people

	file, block string // jobs.d/NAME.toml, and its text
	main        string // text of jobs.toml with it included
	before      string // and as it was
	tokenFile   string
	opens       string // the token that opens the project, wherever it is kept
	token       string // to be written to tokenPath; empty where it is kept somewhere already
	tokenPath   string
	tokenAt     string // reference for the block; empty where the server's folder is known
}

func (c *cli) add(name, source, tokenFile string, yes bool) error {
	if err := config.CheckName(name); err != nil {
		return &exitError{exitUsage, err}
	}
	s := c.stopping(c.ctx, 1)
	defer s.end()
	log, err := c.logger(slog.LevelError)
	if err != nil {
		return err
	}
	a := &adding{cli: c, ctx: s.ctx, log: log, ask: c.dialog(s.ctx, yes), name: name, source: source, tokenFile: tokenFile}
	if err := a.prepare(); err != nil {
		return err
	}
	from := c.newSources(a.cfg, log, nil)
	from.tries = 1 // somebody is waiting for the answer
	look := a.lookAtProject
	if a.job.Campus != nil {
		look = a.lookAtCampus
	}
	id, err := look(from)
	if err != nil {
		return err
	}
	if err := a.compare(id); err != nil {
		return err
	}
	if !yes {
		fmt.Fprintln(a.Stderr)
	}
	on, err := a.ask.agree("add it?")
	switch {
	case err != nil:
		return err
	case !on:
		fmt.Fprintln(c.Stderr, "nothing was written")
		return nil
	}
	return a.write()
}

// prepare finds the source, makes the text of the new block, and has it read together with everything that is there.
func (a *adding) prepare() error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	a.cfg = cfg
	if j := cfg.Jobs[a.name]; j != nil {
		return usage("job %s is at %s already", a.name, j.Place())
	}
	if err := a.chooseSource(); err != nil {
		return err
	}
	folder := filepath.Join(filepath.Dir(a.config), addFolder)
	a.file = filepath.Join(folder, a.name+".toml")
	if _, err := os.Lstat(a.file); err == nil {
		return usage("%s is there already, and %s does not include it", a.file, a.config)
	}
	if err := a.placeToken(folder); err != nil {
		return err
	}
	text, err := os.ReadFile(a.config)
	if err != nil {
		return fmt.Errorf("read %s: %w", a.config, err)
	}
	a.before = string(text)
	edited, err := config.Including(a.config, text, addFolder+"/*.toml", a.file)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	a.main = string(edited)
	return a.readWith("")
}

// readWith reads the configuration as it will be, with further lines in the new block.
func (a *adding) readWith(more string) error {
	a.block = fmt.Sprintf("[job.%s]%s\nsource = %q\n", a.name, comment(a.title), a.source)
	if a.tokenAt != "" {
		a.block += fmt.Sprintf("token = %q\n", a.tokenAt)
	}
	a.block += more
	cfg, err := config.Load(a.config, append(a.options, config.Given(map[string][]byte{a.config: []byte(a.main), a.file: []byte(a.block)}))...)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	a.cfg, a.job = cfg, cfg.Jobs[a.name]
	return nil
}

func (a *adding) chooseSource() error {
	all := a.cfg.Sources()
	switch {
	case a.source != "":
	case len(all) == 1:
		a.source = all[0]
	case len(all) == 0:
		return usage("%s names no source: a job needs a [redcap.NAME] or [engage.NAME]", a.config)
	default:
		return usage("say of which source: --source %s", strings.Join(all, ", or --source "))
	}
	return nil
}

// placeToken decides where the token of a project is kept: in the server's folder of tokens, else in the file that was given, else in
// one beside the block.
func (a *adding) placeToken(folder string) error {
	family, server, _ := strings.Cut(a.source, ".")
	if family != "redcap" {
		if a.tokenFile != "" {
			return usage("--token-file is for a project of REDCap; the keys of a campus stand at [%s]", a.source)
		}
		return nil
	}
	if s := a.cfg.Servers[server]; s != nil && s.TokenFolder() != "" {
		a.tokenPath = filepath.Join(s.TokenFolder(), a.name)
		return nil
	}
	if a.tokenFile != "" {
		a.tokenAt = referTo(folder, a.tokenFile)
		return nil
	}
	a.tokenPath = filepath.Join(folder, a.name+".token")
	a.tokenAt = "file:" + a.name + ".token"
	return nil
}

// readToken takes the token from where it is, or asks for it.
func (a *adding) readToken() (string, error) {
	switch _, err := os.Lstat(a.tokenPath); {
	case a.tokenFile != "":
		token, err := config.File(a.tokenFile).Read(a.ctx)
		if err != nil {
			return "", misconfigured("read --token-file", err)
		}
		if a.tokenPath != "" && !samePath(a.tokenFile, a.tokenPath) {
			a.token = token
		}
		return token, redcap.CheckToken(token)
	case a.tokenPath != "" && err == nil:
		fmt.Fprintf(a.Stderr, "the token is in %s already\n", a.tokenPath)
		token, err := config.File(a.tokenPath).Read(a.ctx)
		if err != nil {
			return "", misconfigured("read the token", err)
		}
		return token, redcap.CheckToken(token)
	}
	token, err := a.ask.ask(tokenQuestion())
	a.token = token
	return token, err
}

func samePath(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// lookAtProject asks REDCap what the token opens, and tells.
func (a *adding) lookAtProject(from *sources) (extract.Identity, error) {
	token, err := a.readToken()
	if err != nil {
		return extract.Identity{}, err
	}
	a.opens = token
	source, err := from.project(a.job, func(context.Context) (string, error) { return token, nil })
	if err != nil {
		return extract.Identity{}, err
	}
	v, err := source.Survey(a.ctx)
	if err != nil {
		if a.ctx.Err() != nil {
			err = context.Cause(a.ctx)
		}
		return extract.Identity{}, err
	}
	fmt.Fprintf(a.Stdout, "%s\n", surveyLine(v))
	for _, lack := range v.Lacking {
		fmt.Fprintf(a.Stdout, "lacking: %s\n", lack)
	}
	if v.Refused > 0 {
		fmt.Fprintf(a.Stdout, "lacking: %s records have ids that cannot be stored; rename them in REDCap\n", count(int64(v.Refused)))
	}
	a.tellCost(v.First, v.Nightly, "a night in which nothing changed", a.job.Server.RequestsPerMinute)
	a.tellTables(v.Tables)
	a.title = v.Identity.Title
	return v.Identity, a.readWith("")
}

// tellCost says about how many requests the job will take.
func (a *adding) tellCost(first, nightly int, of string, perMinute int) {
	took := ""
	if perMinute > 0 && first > perMinute {
		took = fmt.Sprintf(", which takes at least %d minutes at the %d a minute that %s allows", (first+perMinute-1)/perMinute, perMinute, a.source)
	}
	fmt.Fprintf(a.Stdout, "requests: about %s for the first load%s; about %s for %s\n", count(int64(first)), took, count(int64(nightly)), of)
}

func (a *adding) tellTables(n int) {
	when := "no schedule: it runs by hand, until one is set"
	if a.job.Schedule != "" {
		when = "schedule " + a.job.Schedule
	}
	fmt.Fprintf(a.Stdout, "writes %d tables into schema %s; %s\n", n, a.job.Schema, when)
}

// compare refuses a project that another job reads, and a schema that another has.
func (a *adding) compare(id extract.Identity) error {
	w, closeAll, err := a.warehouseOf(a.ctx, a.cfg, a.log, 0)
	if err != nil {
		return err
	}
	jobs, err := w.Jobs(a.ctx)
	if err := errors.Join(err, closeAll()); err != nil {
		return err
	}
	ran := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		ran[j.Job] = j.Server != ""
		if err := a.compareWith(j, id); err != nil {
			return err
		}
	}
	return a.compareUnread(ran)
}

// compareUnread finds the project among jobs that never ran, of which the ledger cannot tell what they read: by the token, or the campus.
func (a *adding) compareUnread(ran map[string]bool) error {
	for _, name := range a.cfg.Names() {
		j := a.cfg.Jobs[name]
		switch {
		case name == a.name || ran[name] || j.Source != a.job.Source:
			continue
		case j.Campus != nil:
			return a.alreadyRead(name, j.Schema)
		}
		if token, err := j.ReadSecret(a.ctx, "token"); err == nil && token == a.opens { // one that cannot be read is that job's matter
			return a.alreadyRead(name, j.Schema)
		}
	}
	return nil
}

// alreadyRead refuses a project that another job reads.
func (a *adding) alreadyRead(job, schema string) error {
	e := extract.Errorf(extract.KindConfig, "add job "+a.name, "job %s reads it already, into schema %s", job, schema)
	e.Next = a.typed("sync " + job)
	return e
}

func (a *adding) compareWith(j load.Job, id extract.Identity) error {
	same := j.Server == id.Server && j.SourceID == id.ID
	vanished := a.cfg.Jobs[j.Job] == nil && !isDrain(a.cfg, j.Job)
	switch {
	case j.Job == a.name && j.Server != "" && !same:
		return usage("the ledger knows a job %s that read another project (%s of %s): choose another name", j.Job, j.SourceID, j.Server)
	case j.Job == a.name:
	case same && !vanished:
		return a.alreadyRead(j.Job, j.Schema)
	case same:
		fmt.Fprintf(a.Stdout, "job %s, which is not in %s any more, has read it before: %s goes on in its schema %s, and loads nothing anew\n", j.Job, a.config, a.name, j.Schema)
	case j.Schema == a.job.Schema && j.RetiredAt == nil:
		return usage("schema %s is job %s's: choose another name", j.Schema, j.Job)
	case j.Schema == a.job.Schema:
		return usage("schema %s holds what job %s has read, which is not in %s any more: choose another name", j.Schema, j.Job, a.config)
	}
	return nil
}

// write writes the token, the block, and the line that includes it; or nothing.
func (a *adding) write() error {
	var made newFiles
	err := a.writeFiles(&made)
	if err != nil {
		return errors.Join(err, made.undo())
	}
	if a.main != a.before {
		made = append(made, a.config)
	}
	fmt.Fprintf(a.Stdout, "\nwrote %s\nload it now: %s\n", strings.Join(made, ", "), a.typed("sync "+a.name))
	fmt.Fprintln(a.Stdout, "a daemon that is up takes it in with SIGHUP (systemctl reload syncd)")
	return nil
}

func (a *adding) writeFiles(made *newFiles) error {
	if err := os.MkdirAll(filepath.Dir(a.file), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if a.token != "" {
		if err := made.add(a.tokenPath, a.token+"\n", 0o600); err != nil {
			return alreadyThere(err, a.tokenPath)
		}
	}
	if err := made.add(a.file, a.block, 0o644); err != nil {
		return alreadyThere(err, a.file)
	}
	if a.main == a.before {
		return nil
	}
	now, err := os.ReadFile(a.config)
	if err == nil && string(now) != a.before {
		err = fmt.Errorf("somebody has changed it meanwhile; nothing was written, type it again")
	}
	if err == nil {
		err = replaceFile(a.config, a.main)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &extract.Error{
			Kind: extract.KindConfig, What: "edit " + a.config, Cause: err,
			Next: fmt.Sprintf("put include = [%q] at its top yourself, then add the job again", addFolder+"/*.toml"),
		}
	}
	return err
}
