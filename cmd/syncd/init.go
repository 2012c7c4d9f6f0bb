package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"syncd/extract/redcap"
	"syncd/extract/upstream"
	"syncd/internal/config"
	"syncd/load"
)

// firstSource is the server that init writes.
const firstSource = "redcap.main"

// initFlags answer the questions of `syncd init` in scripts.
type initFlags struct {
	url, tokenFile, database, caFile, name string
	yes                                    bool
}

// initCommand leads from nothing to the first tables.
func (c *cli) initCommand() *cobra.Command {
	var o initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "from nothing to the first tables: asks for REDCap's address, a token and Postgres, writes jobs.toml, checks and loads",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return c.firstHour(o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.url, "url", "", "REDCap's address, as it stands in a browser")
	flags.StringVar(&o.tokenFile, "token-file", "", "file with the project's API token, which only you can read; it stays where it is")
	flags.StringVar(&o.database, "postgres", "", "private, env:NAME, file:PATH, or the database's URL without a password")
	flags.StringVar(&o.caFile, "ca-file", "", "PEM file of the authority that signed REDCap's certificate, where that is your institution's own")
	flags.StringVar(&o.name, "name", "", "name of the job and of its schema (default: from the project's title)")
	flags.BoolVar(&o.yes, "yes", false, "take what is offered, and ask only for what has no default")
	return cmd
}

// setup is what init has been told, and what it writes.
type setup struct {
	*cli
	initFlags
	ask *dialog
	log *slog.Logger

	folder  string // of jobs.toml
	api     string
	client  *upstream.Client
	token   string // that was typed; empty where it is in a file already
	tokenAt string // reference to it
	title   string
	db      string // Postgres's URL, or a reference to it; empty where it is private
	secret  string // its URL with a password, which goes into a file
}

func (c *cli) firstHour(o initFlags) error {
	switch _, err := os.Lstat(c.config); {
	case err == nil:
		return usage("%s is there already and stays as it is; a further project is added by: %s", c.config, c.typed("add NAME"))
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look for %s: %w", c.config, err)
	}
	folder := filepath.Dir(c.config)
	if err := writable(folder); err != nil {
		return usage("no file can be written into folder %s: %w; nothing was asked. Make the folder, or go to one that is yours", folder, err)
	}
	log, err := c.logger(slog.LevelError)
	if err != nil {
		return err
	}
	s := c.stopping(c.ctx, 1)
	defer s.end()
	in := &setup{cli: c, initFlags: o, ask: c.dialog(s.ctx, o.yes), log: log, folder: folder}
	if err := in.answers(s.ctx); err != nil {
		return err
	}
	if err := in.write(); err != nil {
		return err
	}
	s.end() // from here on a first signal lets the batch finish
	return in.prove()
}

// answers asks everything, and finds out what can be found out.
func (s *setup) answers(ctx context.Context) error {
	for _, step := range []func(context.Context) error{s.askServer, s.askToken, s.askName, s.askPostgres} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// askToken asks for the project's token and tries it. One that the server refuses is asked for again where somebody is there.
func (s *setup) askToken(ctx context.Context) error {
	if s.tokenFile != "" {
		token, err := config.File(s.tokenFile).Read(ctx)
		if err == nil {
			err = redcap.CheckToken(token)
		}
		if err != nil {
			return misconfigured("read --token-file", err)
		}
		s.tokenAt = referTo(s.folder, s.tokenFile)
		return s.tellProject(ctx, token)
	}
	for {
		token, err := s.ask.ask(tokenQuestion())
		if err != nil {
			return err
		}
		s.token = token
		if err := s.tellProject(ctx, token); err == nil || s.ask.terminal == nil {
			return err
		}
	}
}

// tokenQuestion asks for a token.
func tokenQuestion() question {
	return question{
		flag: "--token-file", hidden: true, prompt: "API token (it is not shown)", check: redcap.CheckToken,
		why: "The project's API token: in REDCap open the project, then API in the menu on the left. It is kept in a file that only you can read.",
	}
}

// tellProject shows what the token opens. That it opens nothing is an error where somebody can type another one; a script goes on, for
// the files are what it asked for, and the check says what is wrong.
func (s *setup) tellProject(ctx context.Context, token string) error {
	source, err := redcap.New(redcap.Config{
		Job: "init", Client: s.client, Log: s.log, Token: func(context.Context) (string, error) { return token, nil },
	})
	if err != nil {
		return err
	}
	v, err := source.Survey(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && s.ask.terminal != nil:
		s.complain(err)
		return err
	case err != nil:
		return nil
	}
	s.title = v.Identity.Title
	fmt.Fprintf(s.Stderr, "  %s\n", surveyLine(v))
	return nil
}

func (s *setup) askName(context.Context) (err error) {
	s.name, err = s.ask.ask(question{
		flag: "--name", given: s.name, prompt: "name", offered: jobName(s.title), check: config.CheckName,
		why: "A name for the job. Its tables go into the schema of the same name.",
	})
	return err
}

// noName are letters that a name of a job cannot have.
var noName = regexp.MustCompile(`[^a-z0-9]+`)

// jobName makes a name for a job of a project's title.
func jobName(title string) string {
	name := strings.Trim(noName.ReplaceAllString(strings.ToLower(title), "_"), "_")
	name = strings.TrimRight(name[:min(len(name), 40)], "_")
	if config.CheckName(name) != nil {
		return "project"
	}
	return name
}

// ownPostgres asks for a Postgres of syncd's own.
const ownPostgres = "private"

func (s *setup) askPostgres(context.Context) error {
	q := question{
		flag: "--postgres", given: s.database, prompt: "Postgres", offered: ownPostgres, check: checkDatabase,
		why: "The database for the tables: its URL (postgres://user@host/database), where it is kept (env:NAME, file:PATH), or 'private' for a Postgres of syncd's own beside " + s.config + ".",
	}
	if os.Getenv("DATABASE_URL") != "" {
		q.offered = "env:DATABASE_URL"
	}
	if s.database != "" && config.HoldsPassword(s.database) {
		return usage("--postgres: a password in an argument is seen by everybody on this machine; put the URL into a file or a variable and give file:PATH or env:NAME")
	}
	answer, err := s.ask.ask(q)
	switch {
	case err != nil || answer == ownPostgres:
		return err
	case config.HoldsPassword(answer):
		s.secret, s.db = answer, "file:warehouse.url"
	default:
		s.db = answer
	}
	return nil
}

func checkDatabase(answer string) error {
	if answer == ownPostgres || config.HoldsPassword(answer) {
		return nil
	}
	return config.CheckReference(answer)
}

// write writes the secrets, then jobs.toml, or nothing.
func (s *setup) write() error {
	if s.token != "" {
		s.tokenAt = "file:" + s.name + ".token"
	}
	text := s.text()
	if _, err := config.Load(s.config, append(s.options, config.Given(map[string][]byte{s.config: []byte(text)}))...); err != nil {
		return &exitError{exitUsage, err}
	}
	var made newFiles
	err := s.writeFiles(&made, text)
	if err != nil {
		return errors.Join(err, made.undo())
	}
	fmt.Fprintf(s.Stdout, "wrote %s\n", strings.Join(made, ", "))
	return nil
}

func (s *setup) writeFiles(made *newFiles, text string) error {
	for _, secret := range []struct{ name, value string }{{s.name + ".token", s.token}, {"warehouse.url", s.secret}} {
		if secret.value == "" {
			continue
		}
		if err := made.add(filepath.Join(s.folder, secret.name), secret.value+"\n", 0o600); err != nil {
			return alreadyThere(err, filepath.Join(s.folder, secret.name))
		}
	}
	return alreadyThere(made.add(s.config, text, 0o644), s.config)
}

// alreadyThere words that a file is not replaced.
func alreadyThere(err error, path string) error {
	if errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and what it holds may be in use; nothing was written", path)
	}
	return err
}

// prove checks what was written, loads, and says where to look. Whatever it finds, the files stay.
func (s *setup) prove() error {
	s.output = "table"
	err := s.check(nil, "")
	if err == nil {
		err = s.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error { return s.firstLoad(cfg, w) })
	}
	if err != nil {
		fmt.Fprintf(s.Stderr, "syncd: init: what was written stays. Mend what is said above, then type: %s, and: %s\n", s.typed("check"), s.typed("sync "+s.name))
	}
	return err
}

func (s *setup) firstLoad(cfg *config.Config, w *load.Warehouse) error {
	fmt.Fprintln(s.Stdout)
	if err := s.sync(cfg, w, []string{s.name}, syncing{}); err != nil {
		return err
	}
	runs, err := w.Runs(s.ctx, load.RunFilter{Job: s.name, Limit: 1})
	if err != nil || len(runs) == 0 {
		return err
	}
	d, err := w.RunDetail(s.ctx, runs[0].RunID)
	if err != nil {
		return err
	}
	g := &grid{head: []string{"table", "rows"}}
	for _, t := range d.Tables {
		if t.Live != nil {
			g.add(t.Schema+"."+t.Table, count(*t.Live))
		}
	}
	fmt.Fprintln(s.Stdout)
	if err := g.print(s.Stdout, "table"); err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "\nlook at it:\n  %s\n  \\dt %s.*    select * from %[2]s.redcap_record limit 5;\n", s.psql(w), s.name)
	fmt.Fprintf(s.Stdout, "every night: set schedule in %s, then %s; a further project: %s\n", s.config, s.typed("serve"), s.typed("add NAME"))
	return nil
}

// psql is the line that opens the database.
func (s *setup) psql(w *load.Warehouse) string {
	scheme, rest, _ := strings.Cut(s.db, ":")
	switch scheme {
	case "":
		return fmt.Sprintf("psql %q    (while %s runs, which keeps this Postgres up)", w.Pool().Config().ConnString(), s.typed("serve"))
	case "env":
		return `psql "$` + rest + `"`
	case "file":
		return fmt.Sprintf("psql \"$(cat %s)\"", rest)
	case "postgres", "postgresql":
		return fmt.Sprintf("psql %q", s.db)
	}
	return "psql"
}

// typed is a command line of this program as a person would type it here.
func (c *cli) typed(rest string) string {
	if c.config != "jobs.toml" {
		return "syncd -c " + c.config + " " + rest
	}
	return "syncd " + rest
}

// referTo is a reference to a secret in a file, as a configuration in a folder finds it.
func referTo(folder, path string) string {
	if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	} else if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return "file:" + filepath.ToSlash(path)
}
