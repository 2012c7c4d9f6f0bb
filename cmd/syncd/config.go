package main

import (
	"github.com/spf13/cobra"
)

// configCommand prints what holds for a job and where each value was set.
func (c *cli) configCommand() *cobra.Command {
	return c.reading(&cobra.Command{
		Use:               "config JOB|RECEIVER",
		Short:             "every effective value of a job or receiver and where it came from",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeAll,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			settings, err := cfg.Effective(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			type line struct {
				Key   string `json:"key"`
				Value string `json:"value"`
				From  string `json:"from"`
			}
			g := &grid{head: []string{"key", "value", "from"}}
			var lines []line
			for _, s := range settings {
				g.add(s.Key, s.Value, s.From)
				lines = append(lines, line(s))
			}
			g.value = lines
			return g.print(c.Stdout, c.output)
		},
	})
}

// completeJobs offers the names of jobs to a shell.
func (c *cli) completeJobs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return cfg.Names(), cobra.ShellCompDirectiveNoFileComp
}

// completeAll offers the names of jobs and receivers to a shell.
func (c *cli) completeAll(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return append(cfg.Names(), cfg.ReceiverNames()...), cobra.ShellCompDirectiveNoFileComp
}

// completeReceivers offers the names of receivers to a shell.
func (c *cli) completeReceivers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return cfg.ReceiverNames(), cobra.ShellCompDirectiveNoFileComp
}

// chosen resolves the jobs that a verb was given: names, or all of them.
func (c *cli) chosen(names []string, all bool) ([]string, error) {
	switch {
	case all && len(names) > 0:
		return nil, usage("name jobs or say --all, not both")
	case !all && len(names) == 0:
		return nil, usage("say which JOB, or --all")
	}
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	if all {
		return cfg.Names(), nil
	}
	for _, n := range names {
		if _, err := cfg.Job(n); err != nil {
			return nil, &exitError{exitUsage, err}
		}
	}
	return names, nil
}
