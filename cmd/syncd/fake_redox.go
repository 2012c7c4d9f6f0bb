package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/internal/fake/redox"
)

// pushing says what the fake pushes, and where.
type pushing struct {
	destination, tokenFile, keyFile, keyID string
	rate                                   float64
	messages, patients, children, doubles  int
	seed                                   uint64
	production, verify                     bool
}

// fakeRedoxCommand pushes as Redox does.
func (c *cli) fakeRedoxCommand() *cobra.Command {
	var p pushing
	cmd := &cobra.Command{
		Use:   "redox",
		Short: "a Redox that pushes made-up histories of patients to a receiver, in queues, until each is taken",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.fakeRedox(&p)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.destination, "destination", "", "a receiver of jobs.toml, with its own token and credential; or a URL, with --token-file")
	f.StringVar(&p.tokenFile, "token-file", "", "file of the verification token of a destination that is a URL")
	f.StringVar(&p.keyFile, "key", "", "file of the private key (PEM) to sign tokens with, where the receiver's strategy takes signed ones")
	f.StringVar(&p.keyID, "kid", "", "id of that key in the receiver's key set")
	f.Float64Var(&p.rate, "rate", 10, "messages a second")
	f.IntVar(&p.messages, "messages", 0, "end after so many; 0: not before Ctrl-C")
	f.IntVar(&p.patients, "patients", 200, "most patients of the hospital")
	f.IntVar(&p.children, "children", 1, "queues that each data model is split into by patient; 1: one queue")
	f.IntVar(&p.doubles, "duplicates", 10, "of 1,000 messages, how many are sent again later, with the same content and with another, and of how many the answer is lost")
	f.Uint64Var(&p.seed, "seed", 0, "which hospital (default: another one each time)")
	f.BoolVar(&p.production, "production", false, "say of the messages that they are no test: then they land in the receiver's own schema, not in that for tests")
	f.BoolVar(&p.verify, "verify", false, "verify the destination first, as Redox does once; status then shows that")
	return cmd
}

func (c *cli) fakeRedox(p *pushing) error {
	if err := p.check(); err != nil {
		return err
	}
	rc, err := c.fakeDestination(p)
	if err != nil {
		return err
	}
	if p.seed == 0 {
		p.seed = uint64(c.Now().UnixNano())
	}
	rc.Rate, rc.Children, rc.Seed, rc.LoseReplies, rc.Resend = p.rate, p.children, p.seed, p.doubles, p.doubles
	s := c.stopping(c.ctx, 1)
	defer s.end()
	return c.push(s.ctx, rc, p)
}

func (p *pushing) check() error {
	switch {
	case p.destination == "":
		return usage("--destination is missing: the name of a receiver in jobs.toml, or a URL")
	case p.rate <= 0:
		return usage("--rate %g: more than 0", p.rate)
	case p.messages < 0 || p.patients < 1 || p.children < 1:
		return usage("--messages may not be below 0, --patients and --children not below 1")
	case p.doubles < 0 || p.doubles > 500:
		return usage("--duplicates %d: from 0 to 500 of 1,000", p.doubles)
	}
	return nil
}

// fakeDestination is where to push, and with which token and credential.
func (c *cli) fakeDestination(p *pushing) (redox.Config, error) {
	if strings.Contains(p.destination, "://") {
		return p.anywhere()
	}
	cfg, err := c.load()
	if err != nil {
		return redox.Config{}, err
	}
	r, err := cfg.Receiver(p.destination)
	if err != nil {
		return redox.Config{}, &exitError{exitUsage, err}
	}
	if p.tokenFile != "" {
		return redox.Config{}, usage("--token-file goes with a destination that is a URL: %s has its token in jobs.toml", r.Name)
	}
	rc := redox.Config{}
	if rc.URL, err = receiverURL(cfg, r); err != nil {
		return rc, err
	}
	if len(r.Tokens) > 0 {
		if rc.Token, err = r.Tokens[0].Read(c.ctx); err != nil {
			return rc, misconfigured("read the verification token of receiver "+r.Name, err)
		}
	}
	rc.Credential, err = c.fakeCredential(cfg, r, rc.URL, p)
	return rc, err
}

// anywhere is a destination that is a URL.
func (p *pushing) anywhere() (redox.Config, error) {
	u, err := url.Parse(p.destination)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return redox.Config{}, usage("--destination: a URL such as https://etl.example.edu/redox/hospital-7f3c")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return redox.Config{}, usage("--destination: https, except for this machine itself: the token would go over the wire in the clear")
	}
	if p.tokenFile == "" || p.keyFile != "" {
		return redox.Config{}, usage("--destination with a URL needs --token-file, and takes no --key; name a receiver of jobs.toml to push with its strategy")
	}
	token, err := os.ReadFile(p.tokenFile)
	if err != nil {
		return redox.Config{}, misconfigured("read token file", err)
	}
	return redox.Config{URL: p.destination, Token: strings.TrimRight(string(token), "\r\n")}, nil
}

// receiverURL is the address of a receiver: the one by which Redox reaches it, else where it listens.
func receiverURL(cfg *config.Config, r *config.Receiver) (string, error) {
	if cfg.Serve.PublicURL != "" {
		return strings.TrimRight(cfg.Serve.PublicURL, "/") + r.Path, nil
	}
	host, port, err := net.SplitHostPort(cfg.Serve.Listen)
	if err != nil || port == "0" || cfg.Serve.CertFile != "" {
		return "", usage("where receiver %s is reached does not follow from [serve]: set public_url, or give its URL as --destination", r.Name)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + r.Path, nil
}

// push sends until all is taken or a signal comes, and tells how it goes.
func (c *cli) push(ctx context.Context, rc redox.Config, p *pushing) error {
	tally := &lastFailure{}
	rc.Observe = tally.observe
	sender := redox.New(rc)
	if p.verify {
		if err := sender.Verify(ctx, redox.Handshake{Method: http.MethodPost, Credentialed: rc.Credential != nil}); err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, "verified by POST")
	}
	history := redox.NewHistory(redox.HistorySpec{Seed: p.seed, Patients: p.patients, Clock: c.Now, Test: !p.production, Reruns: p.doubles})
	start := c.Now()
	sent := make(chan error, 1)
	go func() { sent <- sender.Send(ctx, upTo(p.messages, history.All())) }()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			fmt.Fprintln(c.Stdout, pushLine(sender.Counts())+tally.say())
			continue
		case err := <-sent:
			if errors.Is(err, errInterrupted) {
				err = nil
			}
			counts, took := sender.Counts(), c.Now().Sub(start)
			fmt.Fprintf(c.Stdout, "in %s (%.1f a second): %s%s\n", took.Round(time.Second/10), float64(counts.Acknowledged)/took.Seconds(), pushLine(counts), tally.say())
			if err == nil && counts.Acknowledged == 0 && counts.Waiting > 0 {
				err = errors.New("nothing was acknowledged" + tally.say())
			}
			return err
		}
	}
}

// pushLine says how far a sender has come.
func pushLine(n redox.Counts) string {
	line := fmt.Sprintf("%d sent, %d acknowledged, %d retried, %d failed", n.Sent, n.Acknowledged, n.Retried, n.Failed)
	if n.Waiting > 0 {
		line += fmt.Sprintf(", %d waiting", n.Waiting)
	}
	return line
}

// upTo is the beginning of a sequence; 0: all of it.
func upTo[T any](n int, all iter.Seq[T]) iter.Seq[T] {
	if n == 0 {
		return all
	}
	return func(yield func(T) bool) {
		left := n
		for v := range all {
			if !yield(v) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// lastFailure remembers why the last request was not acknowledged.
type lastFailure struct {
	mu  sync.Mutex
	why string
}

func (a *lastFailure) observe(at redox.Attempt) {
	if at.Acknowledged() {
		return
	}
	why := fmt.Sprintf("%d %s", at.Status, http.StatusText(at.Status))
	switch {
	case at.Lost:
		why = "an answer that was lost on purpose (--duplicates)"
	case at.Err != nil:
		why = at.Err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why = why
}

func (a *lastFailure) say() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.why == "" {
		return ""
	}
	return "; the last failure: " + a.why
}
