package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract/upstream"
	"syncd/internal/config"
	"syncd/load"
	"syncd/ops"
	"syncd/ops/notice"
)

// ownCertificate is what messages and metrics call the receivers' own certificate.
const ownCertificate = "serve"

// notifyCommand has one verb: to see that messages arrive before they matter.
func (c *cli) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "messages to people", Args: cobra.NoArgs}
	cmd.AddCommand(&cobra.Command{
		Use:               "test NAME",
		Short:             "send a message by a notifier of jobs.toml, to see that it arrives",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNotifiers,
		RunE:              func(_ *cobra.Command, args []string) error { return c.notifyTest(args[0]) },
	})
	return cmd
}

func (c *cli) notifyTest(name string) error {
	cfg, log, err := c.begin()
	if err != nil {
		return err
	}
	n, err := cfg.Notifier(name)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.sender(n, log).Send(c.ctx, notice.TestMessage(name, hostName(), c.Now())); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%s took the message\n", name)
	return nil
}

// completeNotifiers offers the names of notifiers to a shell.
func (c *cli) completeNotifiers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return cfg.NotifierNames(), cobra.ShellCompDirectiveNoFileComp
}

// sender makes what sends the messages of a notifier. Secrets are read at each message.
func (c *cli) sender(n *config.Notifier, log *slog.Logger) notice.Sender {
	read := func(s config.Secret) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			value, err := s.Read(ctx)
			if err != nil {
				return "", misconfigured("read the secret of notifier "+n.Name, err)
			}
			return value, nil
		}
	}
	if notice.Kind(n.Kind) == notice.Email {
		return &notice.Mail{Name: n.Name, URL: read(n.SMTPURL), From: n.From, To: n.To, CAFile: n.CAFile}
	}
	return &notice.Post{
		Name: n.Name, Kind: notice.Kind(n.Kind), URL: read(n.URL), Reach: upstream.Config{CAFile: n.CAFile}, Version: version, Log: log, Wait: c.wait,
	}
}

// notifyRules are what the configuration says of messages.
func (c *cli) notifyRules(cfg *config.Config, log *slog.Logger) *notice.Rules {
	r := &notice.Rules{Jobs: map[string]notice.Job{}, Receivers: map[string]notice.Receiver{}, Zone: cfg.Zone, Host: hostName()}
	for name, j := range cfg.Jobs {
		r.Jobs[name] = notice.Job{FreshWithin: j.FreshWithin}
	}
	for name, receiver := range cfg.Receivers {
		r.Receivers[name] = notice.Receiver{SilentAfter: receiver.SilentAfter}
		r.Jobs[name], r.Jobs[name+testEnding] = notice.Job{}, notice.Job{}
	}
	for _, name := range cfg.NotifierNames() {
		n := cfg.Notifiers[name]
		one := notice.Notifier{Name: name, Open: func() notice.Sender { return c.sender(n, log) }}
		for _, cause := range n.Only {
			one.Only = append(one.Only, notice.Cause(cause))
		}
		r.Notifiers = append(r.Notifiers, one)
	}
	return r
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// newNotifications makes what tells people, for a configuration that may change.
func (c *cli) newNotifications(w *load.Warehouse, replica string, config func() *config.Config, from func() *sources, log *slog.Logger) *notice.Engine {
	return notice.NewEngine(notice.Config{
		Warehouse: w, Replica: replica, Log: log,
		Rules: func() *notice.Rules { return c.notifyRules(config(), log) },
		See:   func(ctx context.Context) []load.Sighting { return c.seeSelf(ctx, config()) },
		Peers: func() []load.Sighting { return from().certificates() },
	})
}

// startTelling begins to tell people and metrics how things stand, until what it returns is called.
func (c *cli) startTelling(ctx context.Context, w *load.Warehouse, config func() *config.Config, from func() *sources, metrics *ops.Metrics, log *slog.Logger) (stop func()) {
	e := c.newNotifications(w, holder(), config, from, log)
	metrics.Add(tellMessages(e))
	metrics.Add(tellBuild(c.Now()))
	metrics.Add(ops.Cached(ledgerFor, time.Now, tellLedger(w, config)))
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { e.Run(ctx) })
	return func() { cancel(); done.Wait() }
}

// seeSelf is what only this process can see: its certificate, and receivers that it lets nobody in to.
func (c *cli) seeSelf(ctx context.Context, cfg *config.Config) []load.Sighting {
	var seen []load.Sighting
	if cfg.Serve.CertFile != "" && len(cfg.Receivers) > 0 {
		if pair, err := tls.LoadX509KeyPair(cfg.Serve.CertFile, cfg.Serve.KeyFile); err == nil {
			seen = append(seen, load.Sighting{Cause: string(notice.Certificate), Subject: ownCertificate, ExpiresAt: &pair.Leaf.NotAfter})
		}
	}
	for _, name := range cfg.ReceiverNames() {
		if len(cfg.Receivers[name].Faults(ctx)) > 0 {
			seen = append(seen, load.Sighting{Cause: string(notice.Misconfigured), Subject: name})
		}
	}
	return seen
}

// certificates are those of sources that this process met, by when it did.
func (s *sources) certificates() []load.Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seen []load.Sighting
	for name, client := range s.clocks {
		if way, ok := client.Way(); ok && !way.NotAfter.IsZero() {
			seen = append(seen, load.Sighting{Cause: string(notice.Certificate), Subject: name, SeenAt: way.At, ExpiresAt: &way.NotAfter})
		}
	}
	return seen
}

// tellMessages tells what this process did with messages.
func tellMessages(e *notice.Engine) ops.Tell {
	return func(context.Context) ([]ops.Sample, error) {
		var all []ops.Sample
		for name, t := range e.Tallies() {
			for outcome, n := range map[string]int64{"sent": t.Sent, "failed": t.Failed, "given_up": t.GivenUp} {
				all = append(all, ops.Sample{Of: messagesSent, Labels: []string{name, outcome}, Value: float64(n)})
			}
		}
		return all, nil
	}
}

// checkNotifier looks at what a notifier needs, and sends nothing.
func (c *cli) checkNotifier(ctx context.Context, n *config.Notifier) []finding {
	faults := n.Faults(ctx)
	if len(faults) == 0 {
		return []finding{{Subject: n.Name, What: "notifier", OK: true, Detail: n.Kind + ", its secret can be read", Next: "syncd notify test " + n.Name + " sends a message"}}
	}
	var all []finding
	for _, fault := range faults {
		all = append(all, finding{Subject: n.Name, What: "notifier", Detail: fault.Error(), Next: fault.Next})
	}
	return all
}
