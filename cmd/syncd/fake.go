package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// fakeCommand serves upstreams to rehearse against.
func (c *cli) fakeCommand() *cobra.Command {
	parent := &cobra.Command{Use: "fake", Short: "upstreams to rehearse against", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var listen, recorded string
	var records int
	var latency time.Duration
	redcap := &cobra.Command{
		Use:   "redcap",
		Short: "a REDCap with synthetic projects, or recorded ones",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.fakeRedcap(listen, recorded, records, latency)
		},
	}
	redcap.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback address to listen on")
	redcap.Flags().StringVar(&recorded, "recorded", "", "serve a recorded project: a folder, a whole-project JSON or a project XML")
	redcap.Flags().IntVar(&records, "records", 1000, "records of the classic project")
	redcap.Flags().DurationVar(&latency, "latency", 0, "wait before each answer, such as 2s: a slow server")
	parent.AddCommand(redcap, c.fakeEngageCommand(), c.fakeRedoxCommand())
	return parent
}

func (c *cli) fakeRedcap(listen, recorded string, records int, latency time.Duration) error {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return usage("--listen %s: a loopback address such as 127.0.0.1:8400; the fake has no TLS", listen)
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

// servedFake is a fake upstream that answers on loopback.
type servedFake struct {
	url    string
	server *http.Server
	done   chan error
}

// serveHandler serves a fake whose API is below a path.
func serveHandler(listen, path string, handler http.Handler) (*servedFake, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	f := &servedFake{url: "http://" + l.Addr().String() + path, done: make(chan error, 1)}
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
