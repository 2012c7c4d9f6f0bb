package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"syncd/extract"
	"syncd/extract/redox"
	"syncd/extract/redox/auth"
	"syncd/internal/config"
	"syncd/load"
)

const (
	inboxConns = 8                // of the inbox: two groups, and what is asked about senders and by drains
	intakeStop = 15 * time.Second // for requests in hand, after the first signal
	flushEvery = 10 * time.Second // how often uses of tokens are written down
	careEvery  = time.Hour        // how often partitions are made and bytes expire

	complainEvery = time.Minute // about the same reason

	goneAfter = 2 * time.Minute // when no request is in the hands of a receiver any more that was replaced

	// Requests leave much behind and little stays: collecting at five times what stays costs a tenth of the time. Beyond the limit it
	// is collected as it comes.
	intakeGC     = 400
	intakeMemory = 512 << 20
)

// keeper is what receivers need of the warehouse.
type keeper interface {
	redox.Inbox
	auth.Store
}

// intake is what the daemon receives with: the listener of all receivers, and the inbox behind it. It listens before Postgres is
// there, and answers 503 until then.
type intake struct {
	cli     *cli
	log     *slog.Logger
	observe func(redox.Event)
	inbox   lateInbox
	keys    auth.KeySets
	pair    *keyPair // nil where a proxy in front ends TLS
	server  *redox.Server
	addr    string
	done    chan error
	tasks   sync.WaitGroup
	over    chan struct{}
	unsaid  map[string]map[string]int64 // uses of tokens that could not be written down, by receiver

	mu       sync.Mutex
	cfg      *config.Config // that holds now
	received []received
	gone     []received // replaced; some may still have a request in hand
}

// listenIntake begins to listen where the configuration has receivers. It answers nil where it has none.
func (c *cli) listenIntake(cfg *config.Config, log *slog.Logger, observe func(redox.Event)) (*intake, error) {
	if len(cfg.Receivers) == 0 {
		return nil, nil
	}
	debug.SetGCPercent(intakeGC)
	debug.SetMemoryLimit(intakeMemory)
	in := &intake{cli: c, log: log, observe: observe, done: make(chan error, 1), over: make(chan struct{}), unsaid: map[string]map[string]int64{}}
	sc := redox.ServerConfig{ErrorLog: slogLogger(log), Observe: observe}
	if cfg.Serve.CertFile != "" {
		in.pair = &keyPair{log: log}
		if err := in.pair.use(cfg.Serve.CertFile, cfg.Serve.KeyFile); err != nil {
			return nil, misconfigured("read the receivers' certificate", err)
		}
		sc.TLS = &tls.Config{GetCertificate: in.pair.get, MinVersion: tls.VersionTLS12}
	}
	sc.Served = in.take(cfg)
	l, err := net.Listen("tcp", cfg.Serve.Listen)
	if err != nil {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "listen on serve.listen", Where: cfg.Serve.Listen, Cause: err,
			Next: "stop what listens there, or set another address: [serve] listen = \"127.0.0.1:PORT\"",
		}
	}
	in.addr, in.server = l.Addr().String(), redox.NewServer(sc)
	go func() { in.done <- in.server.Serve(l) }()
	return in, nil
}

// take makes the receivers of a configuration, and keeps those before for as long as they have requests in hand.
func (in *intake) take(cfg *config.Config) redox.Served {
	all := in.cli.receivers(cfg, in.log, &in.inbox, &in.keys, in.observe)
	served := redox.Served{TrustedProxies: cfg.Serve.Proxies}
	for _, r := range all {
		served.Receivers = append(served.Receivers, r.receiver)
	}
	if u, err := url.Parse(cfg.Serve.PublicURL); err == nil {
		served.Host = u.Hostname()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, r := range in.received {
		r.until = time.Now().Add(goneAfter)
		in.gone = append(in.gone, r)
	}
	in.cfg, in.received = cfg, all
	return served
}

// replace lets the receivers of another configuration, and its certificate, take what comes from now on.
func (in *intake) replace(cfg *config.Config) {
	in.server.Replace(in.take(cfg))
	if in.pair == nil {
		return
	}
	if err := in.pair.use(cfg.Serve.CertFile, cfg.Serve.KeyFile); err != nil {
		in.log.Warn("the certificate cannot be read; the one before stays in use", slog.Any("error", err))
	}
}

// holds is the configuration that holds now.
func (in *intake) holds() *config.Config {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cfg
}

// gates lists those who may have let somebody in since they were asked the last time.
func (in *intake) gates() []received {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := slices.Concat(in.received, in.gone)
	in.gone = slices.DeleteFunc(in.gone, func(r received) bool { return time.Now().After(r.until) })
	return slices.DeleteFunc(all, func(r received) bool { return r.gate == nil })
}

// tellIntake hands requests to those who watch, and writes a line where somebody has to look: we could not judge or keep, or did
// not let in who came.
func tellIntake(log *slog.Logger, watch *watchers, tally *redox.Tally) func(redox.Event) {
	var quiet struct {
		sync.Mutex
		of map[string]time.Time
	}
	quiet.of = map[string]time.Time{}
	return func(e redox.Event) {
		watch.observe(e)
		tally.Observe(e)
		if e.Receiver == "" || e.Kind != redox.KindUnavailable && e.Kind != redox.KindRefused && e.Kind != redox.KindMalformed {
			return
		}
		key := e.Receiver + "\x00" + e.Reason
		quiet.Lock()
		again := time.Since(quiet.of[key]) < complainEvery
		if !again {
			quiet.of[key] = time.Now()
		}
		quiet.Unlock()
		if again {
			return
		}
		attrs := []any{slog.String("receiver", e.Receiver), slog.Int("status", e.Status), slog.String("reason", e.Reason)}
		if e.Cause != nil {
			attrs = append(attrs, slog.Any("error", e.Cause))
		}
		log.Warn("request was not taken; the same is told once a minute at most", attrs...)
	}
}

// open gives the receivers the inbox of a warehouse, and begins to look after it.
func (in *intake) open(w *load.Warehouse) (*load.Inbox, error) {
	b, err := w.Inbox(inboxConns)
	if err != nil {
		return nil, err
	}
	in.inbox.of.Store(b)
	in.tasks.Go(func() { in.every(careEvery, func(ctx context.Context) { in.care(ctx, b) }) })
	in.tasks.Go(func() { in.every(flushEvery, in.flush) })
	return b, nil
}

// stop stops listening, lets requests in hand finish, and writes down what is left to write. The inbox stays open: what drains it
// may be at work.
func (in *intake) stop() error {
	if in == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), in.cli.within(intakeStop))
	defer cancel()
	err := in.server.Shutdown(ctx)
	if served := <-in.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve receivers: %w", served))
	}
	close(in.over)
	in.tasks.Wait()
	if in.inbox.of.Load() != nil {
		in.flush(ctx)
	}
	return err
}

// every does something at once, and then as often as it is told, until the intake stops.
func (in *intake) every(d time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-in.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(d)
	defer tick.Stop()
	for do(ctx); ; do(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// care makes the next partitions. What is older than it is kept is removed by tend, each night.
func (in *intake) care(ctx context.Context, b *load.Inbox) {
	now, cfg := time.Now(), in.holds()
	if cfg.Postgres.DDL == string(load.Apply) {
		if err := b.MakeMonths(ctx, now); err != nil && ctx.Err() == nil {
			in.log.Warn("partitions of the next months are not there yet; deliveries are kept all the same", slog.Any("error", err))
		}
	}
}

// flush writes down how often tokens were used. What cannot be written down now is the next time.
func (in *intake) flush(ctx context.Context) {
	for _, r := range in.gates() {
		uses := r.gate.Uses()
		if len(uses) == 0 {
			uses = map[string]int64{}
		}
		for token, n := range in.unsaid[r.name] {
			uses[token] += n
		}
		if len(uses) == 0 {
			continue
		}
		delete(in.unsaid, r.name)
		if err := in.inbox.UsedTokens(ctx, r.name, uses); err != nil {
			in.unsaid[r.name] = uses
		}
	}
}

// lateInbox is an inbox that may not be there yet. Then nothing is accepted, and the sender keeps what it has.
type lateInbox struct{ of atomic.Pointer[load.Inbox] }

var errNoInbox = extract.Errorf(extract.KindPostgres, "keep delivery", "Postgres was not reached yet")

func (l *lateInbox) get() (*load.Inbox, error) {
	if b := l.of.Load(); b != nil {
		return b, nil
	}
	return nil, errNoInbox
}

// Accept keeps a delivery.
func (l *lateInbox) Accept(ctx context.Context, d *extract.Delivery, letGo func()) (bool, error) {
	b, err := l.get()
	if err != nil {
		letGo()
		return false, err
	}
	return b.Accept(ctx, d, letGo)
}

// Verified notes a verification.
func (l *lateInbox) Verified(ctx context.Context, destination, form string) error {
	b, err := l.get()
	if err != nil {
		return err
	}
	return b.Verified(ctx, destination, form)
}

// KeepToken keeps the hash of an access token.
func (l *lateInbox) KeepToken(ctx context.Context, destination string, sha256 [32]byte, client, scope string, expires time.Time) error {
	b, err := l.get()
	if err != nil {
		return err
	}
	return b.KeepToken(ctx, destination, sha256, client, scope, expires)
}

// Token finds an access token.
func (l *lateInbox) Token(ctx context.Context, destination string, sha256 [32]byte) (string, time.Time, bool, error) {
	b, err := l.get()
	if err != nil {
		return "", time.Time{}, false, err
	}
	return b.Token(ctx, destination, sha256)
}

// UseJTI uses up an assertion.
func (l *lateInbox) UseJTI(ctx context.Context, destination, issuer string, jti [32]byte, expires time.Time) (bool, error) {
	b, err := l.get()
	if err != nil {
		return false, err
	}
	return b.UseJTI(ctx, destination, issuer, jti, expires)
}

// UsedTokens adds to the uses of tokens.
func (l *lateInbox) UsedTokens(ctx context.Context, destination string, uses map[string]int64) error {
	b, err := l.get()
	if err != nil {
		return err
	}
	return b.UsedTokens(ctx, destination, uses)
}

// slogLogger takes what net/http has to say, which is about peers that break off.
func slogLogger(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
