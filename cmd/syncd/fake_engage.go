package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/fake/engage"
)

// campusKey is the key of a fake campus: no secret, since it opens nothing else.
func campusKey(hash, ip string) engage.Key {
	return engage.Key{Public: "rehearsal-01", Private: "rehearsal-private", Header: "rehearsal-header", Hash: hash, IP: ip}
}

// campusOf makes a campus of a size that goes with a number of memberships.
func campusOf(memberships int, seed uint64, now time.Time) *engage.Campus {
	return engage.NewCampus(engage.Spec{
		Seed: seed, Memberships: memberships, Organizations: max(12, memberships/150), Users: max(60, memberships*2/3), Events: max(40, memberships*2/5),
		Attendees: memberships * 2, Transactions: memberships / 20,
	}, now)
}

// teaching says which campus the fake is, and how it behaves.
type teaching struct {
	listen               fakeListener
	hash, ip             string
	memberships, changes int
	seed                 uint64
	latency, ahead       time.Duration
	perMinute            int
	scope                []string
}

// fakeEngageCommand serves a campus.
func (c *cli) fakeEngageCommand() *cobra.Command {
	var t teaching
	cmd := &cobra.Command{
		Use:   "engage",
		Short: "an Engage campus with made-up organizations, members and events",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return c.fakeEngage(&t) },
	}
	f := cmd.Flags()
	t.listen.flags(f)
	f.IntVar(&t.memberships, "memberships", 10_000, "memberships; all else is in proportion. A million cost little memory")
	f.Uint64Var(&t.seed, "seed", 1, "which campus")
	f.IntVar(&t.changes, "changes", 0, "things that happen on the campus in a minute: joining, leaving, renaming, attending ...")
	f.StringVar(&t.hash, "hash", "sha256", "what the key signs with: md5, sha256, sha384, sha512")
	f.StringVar(&t.ip, "ip", "", "the one address that the key is restricted to, such as 127.0.0.1; /ip of the fake answers yours")
	f.StringSliceVar(&t.scope, "scope", nil, "the only resources that the key may read, such as organizations,memberships")
	f.DurationVar(&t.ahead, "clock-ahead", 0, "how far the server's clock is ahead, such as 45s or -45s")
	f.IntVar(&t.perMinute, "requests-per-minute", 0, "answer 429 beyond so many; 0: no limit")
	f.DurationVar(&t.latency, "latency", 0, "wait before each answer, such as 2s: a slow server")
	return cmd
}

func (t *teaching) check() error {
	if err := t.listen.check(); err != nil {
		return err
	}
	switch {
	case t.memberships < 1 || t.changes < 0 || t.perMinute < 0:
		return usage("--memberships may not be below 1, --changes and --requests-per-minute not below 0")
	case !strings.Contains(" md5 sha256 sha384 sha512 ", " "+t.hash+" "):
		return usage("--hash %s: md5, sha256, sha384 or sha512", t.hash)
	case t.ip != "" && net.ParseIP(t.ip).To4() == nil:
		return usage("--ip %s: an IPv4 address such as 127.0.0.1", t.ip)
	}
	for _, name := range t.scope {
		if !strings.Contains(" "+strings.Join(engage.Resources(), " ")+" ", " "+name+" ") {
			return usage("--scope %s: of %s", name, strings.Join(engage.Resources(), ", "))
		}
	}
	return nil
}

func (c *cli) fakeEngage(t *teaching) error {
	if err := t.check(); err != nil {
		return err
	}
	key := campusKey(t.hash, t.ip)
	key.Scope = t.scope
	campus := campusOf(t.memberships, t.seed, c.Now())
	s := c.stopping(c.ctx, 1)
	defer s.end()
	served, err := serveHandler(&t.listen, "/engage/api/", engage.NewServer(campus, engage.Options{
		Clock: c.Now, Keys: []engage.Key{key}, Knobs: engage.Knobs{ClockOffset: t.ahead, PerMinute: t.perMinute, Latency: t.latency},
	}))
	if err != nil {
		return err
	}
	defer served.close()
	fmt.Fprintf(c.Stdout, "fake Engage on %s\nauth signed   public key %s  private key %s  hash %s\nauth header   api key %s\n", served.url, key.Public, key.Private, t.hash, key.Header)
	for _, name := range engage.Resources() {
		fmt.Fprintf(c.Stdout, "%-20s %s\n", name, count(int64(campus.Live(name))))
	}
	c.happen(s.ctx, campus, t.changes)
	return nil
}

// happen lets so many things happen in a minute and tells them, until ctx ends.
func (c *cli) happen(ctx context.Context, campus *engage.Campus, perMinute int) {
	if perMinute == 0 {
		<-ctx.Done()
		return
	}
	every := time.NewTicker(max(time.Minute/time.Duration(perMinute), time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			for _, h := range campus.Happen(1) {
				fmt.Fprintln(c.Stdout, h)
			}
		}
	}
}
