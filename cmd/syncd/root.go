package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"syncd/extract"
	"syncd/migrations"
)

// Exit codes, as the README lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRejects     = 3
	exitRefused     = 4
	exitInterrupted = 130
)

// exitError ends the program with a code. A nil err prints nothing: what there was to say has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage makes err a mistake of the person who typed.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// cli holds the flags that every verb shares.
type cli struct {
	*Main
	ctx       context.Context
	config    string
	output    string
	logLevel  string
	logFormat string
}

// Run executes one command line and returns its exit code.
func (m *Main) Run(parent context.Context) int {
	ctx, quiet := m.attend(parent)
	defer quiet()
	c := &cli{Main: m, ctx: ctx}
	root := c.root()
	root.SetArgs(m.Args)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	root.SetIn(m.Stdin)
	err := root.ExecuteContext(ctx)
	if err != nil && parent.Err() == nil && errors.Is(context.Cause(ctx), errInterrupted) {
		err = errInterrupted // whatever it made of what was under way
	}
	code := exitCode(err)
	if err != nil {
		c.complain(err)
	}
	return code
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "syncd",
		Short:         "REDCap projects, Engage campuses and Redox pushes as typed tables in Postgres, with proof",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&c.config, "config", "c", "jobs.toml", "configuration file")
	flags.StringVar(&c.logLevel, "log-level", "", "debug, info, warn or error (default warn; serve: info)")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see '%s --help'", err, cmd.CommandPath())
	})
	root.AddCommand(c.initCommand(), c.addCommand(), c.forgetCommand())
	root.AddCommand(c.rolesCommand(), c.doctorCommand(), c.adoptCommand(), c.auditCommand())
	root.AddCommand(c.syncCommand(), c.serveCommand(), c.statusCommand(), c.runsCommand(), c.runCommand(), c.checkCommand(),
		c.configCommand(), c.planCommand(), c.migrateCommand(), c.approveCommand(), c.usageCommand(), c.healthCommand(), c.demoCommand(), c.fakeCommand(),
		c.redoxCommand(), c.tokenCommand(), c.watchCommand(), c.replayCommand(), c.rejectsCommand(), c.notifyCommand(), c.purgeCommand())
	root.AddCommand(c.backfillCommand())
	root.AddCommand(c.scheduleCommand(), c.pauseCommand(), c.resumeCommand(), c.cancelCommand())
	tellArguments(root)
	return root
}

// tellArguments has every command answer a wrong number of arguments with the line to type.
func tellArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err != nil && strings.Contains(err.Error(), "arg(s), ") {
				return usage("type: %s; see '%s --help'", cmd.UseLine(), cmd.CommandPath())
			}
			return err
		}
	}
	for _, c := range cmd.Commands() {
		tellArguments(c)
	}
}

// reading adds the -o flag of verbs that print a grid.
func (c *cli) reading(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.output, "output", "o", "table", "table, json or csv")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		switch c.output {
		case "table", "json", "csv":
			return nil
		}
		return usage("-o %s: table, json or csv", c.output)
	}
	return cmd
}

// complain prints an error for a person: what, then what to type next.
func (c *cli) complain(err error) {
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return
	}
	fmt.Fprintln(c.Stderr, "syncd: "+err.Error())
	var e *extract.Error
	if errors.As(err, &e) && e.Next != "" {
		fmt.Fprintln(c.Stderr, "  next: "+e.Next)
	}
}

// exitCode is the one place that turns an error into the program's exit code.
func exitCode(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, migrations.ErrNewer):
		return exitRefused
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "unknown shorthand"):
		return exitUsage
	}
	switch extract.KindOf(err) {
	case extract.KindConfig:
		return exitUsage
	case extract.KindHeld:
		return exitRefused
	default:
		return exitFailed
	}
}

// logger writes from a level upwards, unless --log-level says another.
func (c *cli) logger(fallback slog.Level) (*slog.Logger, error) {
	level := &slog.LevelVar{}
	level.Set(fallback)
	return c.loggerAt(level)
}

// loggerAt writes to stderr: colours on a terminal, plain text or JSON elsewhere. --log-level sets the level.
func (c *cli) loggerAt(level *slog.LevelVar) (*slog.Logger, error) {
	if c.logLevel != "" {
		if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
			return nil, usage("--log-level %s: debug, info, warn or error", c.logLevel)
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch {
	case c.logFormat == "json":
		return slog.New(slog.NewJSONHandler(c.Stderr, options)), nil
	case c.logFormat != "text":
		return nil, usage("--log-format %s: text or json", c.logFormat)
	case isTerminal(c.Stderr):
		return slog.New(tint.NewTextHandler(c.Stderr, &tint.Options{Level: level})), nil
	default:
		return slog.New(slog.NewTextHandler(c.Stderr, options)), nil
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
