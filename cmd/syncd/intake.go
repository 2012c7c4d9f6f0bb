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
	"os"
	"runtime/debug"
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

	// Requests leave much behind and little stays: collecting at five times what stays costs a tenth of the time. Beyond the limit it
	// is collected as it comes.
	intakeGC     = 400
	intakeMemory = 512 << 20
	certificate  = 5 * time.Second // how often a certificate's file is looked at
)

// keeper is what receivers need of the warehouse.
type keeper interface {
	redox.Inbox
	auth.Store
}

// intake is what the daemon receives with: the listener of all receivers, and the inbox behind it. It listens before Postgres is
// there, and answers 503 until then.
type intake struct {
	cfg      *config.Config
	log      *slog.Logger
	inbox    lateInbox
	received []received
	server   *redox.Server
	addr     string
	done     chan error
	tasks    sync.WaitGroup
	over     chan struct{}
	unsaid   map[string]map[string]int64 // uses of tokens that could not be written down, by receiver
}

// listenIntake begins to listen where the configuration has receivers. It answers nil where it has none.
func (c *cli) listenIntake(cfg *config.Config, log *slog.Logger, observe func(redox.Event)) (*intake, error) {
	if len(cfg.Receivers) == 0 {
		return nil, nil
	}
	debug.SetGCPercent(intakeGC)
	debug.SetMemoryLimit(intakeMemory)
	in := &intake{cfg: cfg, log: log, done: make(chan error, 1), over: make(chan struct{}), unsaid: map[string]map[string]int64{}}
	in.received = c.receivers(cfg, log, &in.inbox, observe)
	sc := redox.ServerConfig{TrustedProxies: cfg.Serve.Proxies, ErrorLog: slogLogger(log), Observe: observe}
	for _, r := range in.received {
		sc.Receivers = append(sc.Receivers, r.receiver)
	}
	if cfg.Serve.CertFile != "" {
		pair := &keyPair{cert: cfg.Serve.CertFile, key: cfg.Serve.KeyFile, log: log}
		if _, err := pair.get(nil); err != nil {
			return nil, misconfigured("read the receivers' certificate", err)
		}
		sc.TLS = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}
	}
	if u, err := url.Parse(cfg.Serve.PublicURL); err == nil {
		sc.Host = u.Hostname()
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), intakeStop)
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
	now := time.Now()
	if in.cfg.Postgres.DDL == string(load.Apply) {
		if err := b.MakeMonths(ctx, now); err != nil && ctx.Err() == nil {
			in.log.Warn("partitions of the next months are not there yet; deliveries are kept all the same", slog.Any("error", err))
		}
	}
}

// flush writes down how often tokens were used. What cannot be written down now is the next time.
func (in *intake) flush(ctx context.Context) {
	for _, r := range in.received {
		if r.gate == nil {
			continue
		}
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
func (l *lateInbox) Accept(ctx context.Context, d *extract.Delivery) (bool, error) {
	b, err := l.get()
	if err != nil {
		return false, err
	}
	return b.Accept(ctx, d)
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

// keyPair is a certificate whose files are read again when they change. A pair that cannot be read leaves the last one in use.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	of      [2]time.Time
	looked  time.Time
	refused bool
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.looked) < certificate {
		return k.pair, nil
	}
	k.looked = time.Now()
	of, err := modified(k.cert, k.key)
	if err == nil && k.pair != nil && of == k.of {
		return k.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(k.cert, k.key); err == nil {
			if k.pair != nil {
				k.log.Info("certificate read again", slog.Time("valid_until", pair.Leaf.NotAfter))
			}
			k.pair, k.of, k.refused = &pair, of, false
			return k.pair, nil
		}
		err = fmt.Errorf("certificate %s and key %s are no pair that can be used", k.cert, k.key)
	}
	if k.pair == nil {
		return nil, err
	}
	if !k.refused {
		k.log.Warn("the certificate's files changed and cannot be read; the one before stays in use", slog.Any("error", err))
	}
	k.refused = true
	return k.pair, nil
}

func modified(cert, key string) (of [2]time.Time, err error) {
	for i, path := range []string{cert, key} {
		info, err := os.Stat(path)
		if err != nil {
			return of, err
		}
		of[i] = info.ModTime()
	}
	return of, nil
}

// slogLogger takes what net/http has to say, which is about peers that break off.
func slogLogger(l *slog.Logger) *log.Logger { return slog.NewLogLogger(l.Handler(), slog.LevelDebug) }
