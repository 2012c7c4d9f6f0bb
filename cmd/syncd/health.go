package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const healthTimeout = 5 * time.Second

// healthCommand asks a running daemon whether it is ready; it is what a container's health check runs.
func (c *cli) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "exit 0 when the daemon is ready",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(c.ctx, healthTimeout, fmt.Errorf("no answer within %s", healthTimeout))
			defer cancel()
			return c.askReady(ctx, cfg.Serve.Admin)
		},
	}
}

// adminURL is where the daemon of this configuration answers. One that listens everywhere is asked on this machine.
func adminURL(admin string) (string, error) {
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return "", usage("serve.admin %q is not host:port", admin)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// askDaemon asks the daemon of this configuration for a page of its admin listener. The body is to be closed.
func askDaemon(ctx context.Context, admin, path string) (*http.Response, error) {
	base, err := adminURL(admin)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", admin, err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	reply, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("no daemon answers on %s: is 'syncd serve' running?", admin)
	}
	return reply, nil
}

func (c *cli) askReady(ctx context.Context, admin string) error {
	reply, err := askDaemon(ctx, admin, "/readyz")
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<10))
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("the daemon on %s is not ready: %s", admin, strings.TrimPrefix(strings.TrimSpace(string(text)), "not ready: "))
	}
	fmt.Fprintln(c.Stdout, "ready")
	return nil
}
