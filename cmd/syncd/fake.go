package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// fakeCommand serves upstreams to rehearse against.
func (c *cli) fakeCommand() *cobra.Command {
	parent := &cobra.Command{Use: "fake", Short: "upstreams to rehearse against", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var listen fakeListener
	var recorded string
	var records int
	var latency time.Duration
	redcap := &cobra.Command{
		Use:   "redcap",
		Short: "a REDCap with synthetic projects, or recorded ones",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.fakeRedcap(&listen, recorded, records, latency)
		},
	}
	listen.flags(redcap.Flags())
	redcap.Flags().StringVar(&recorded, "recorded", "", "serve a recorded project: a folder, a whole-project JSON or a project XML")
	redcap.Flags().IntVar(&records, "records", 1000, "records of the classic project")
	redcap.Flags().DurationVar(&latency, "latency", 0, "wait before each answer, such as 2s: a slow server")
	parent.AddCommand(redcap, c.fakeEngageCommand(), c.fakeRedoxCommand())
	return parent
}

func (c *cli) fakeRedcap(listen *fakeListener, recorded string, records int, latency time.Duration) error {
	if err := listen.check(); err != nil {
		return err
	}
	projects, err := fakeProjects(recorded, records)
	if err != nil {
		return err
	}
	s := c.stopping(c.ctx, 1)
	defer s.end()
	served, err := serveFake(listen, projects, latency)
	if err != nil {
		return err
	}
	defer served.close()
	fmt.Fprintf(c.Stdout, "fake REDCap on %s\n", served.url)
	for _, p := range projects {
		fmt.Fprintf(c.Stdout, "%-14s token %s  %s\n", p.name, p.project.Token(), p.what)
	}
	<-s.ctx.Done()
	return nil
}

// servedFake is a fake upstream that answers.
type servedFake struct {
	url    string
	server *http.Server
	done   chan error
}

// serveHandler serves a fake whose API is below a path.
func serveHandler(at *fakeListener, path string, handler http.Handler) (*servedFake, error) {
	l, url, err := at.listen()
	if err != nil {
		return nil, err
	}
	f := &servedFake{url: url + path, done: make(chan error, 1)}
	f.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { f.done <- f.server.Serve(l) }()
	return f, nil
}

func (f *servedFake) close() error {
	err := f.server.Close()
	if serving := <-f.done; !errors.Is(serving, http.ErrServerClosed) {
		return serving
	}
	return err
}
