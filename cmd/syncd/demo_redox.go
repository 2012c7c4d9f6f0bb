package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"syncd/extract/redox"
	"syncd/internal/config"
	fake "syncd/internal/fake/redox"
	"syncd/job"
	"syncd/load"
)

// The receiver of the demo, which its fake Redox pushes to.
const (
	demoReceiver = "hospital"
	demoPath     = "/redox/hospital-demo"
	demoPushed   = 600 // messages of the first part
	demoMore     = 60  // of the second
)

// writeReceiver writes the receiver's token, and returns its part of jobs.toml.
func (d *demo) writeReceiver() (string, error) {
	if err := os.WriteFile(d.tokenFile(), []byte(newToken()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return fmt.Sprintf("[redox.%s]   # a hospital that pushes\npath = %q\nverification_tokens = [\"file:tokens/%[1]s\"]\npatient_id_types = [\"MR\"]\n",
		demoReceiver, demoPath), nil
}

func (d *demo) tokenFile() string { return filepath.Join(d.dir, "tokens", demoReceiver) }

// pushed shows pushes coming in and tables following them.
type pushed struct {
	*demo
	inner   *cli
	cfg     *config.Config
	w       *load.Warehouse
	log     *slog.Logger
	in      *intake
	inbox   *load.Inbox
	history *fake.History
	sending fake.Config
}

// receive opens the demo's receiver, and a hospital that pushes to it.
func (d *demo) receive(inner *cli, cfg *config.Config, w *load.Warehouse, log *slog.Logger) (*pushed, error) {
	token, err := os.ReadFile(d.tokenFile())
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	p := &pushed{demo: d, inner: inner, cfg: cfg, w: w, log: log, history: fake.NewHistory(fake.HistorySpec{Seed: 7, Patients: 60, Clock: d.Now, Reruns: 20})}
	if p.in, err = inner.listenIntake(cfg, log, func(redox.Event) {}); err != nil {
		return nil, err
	}
	if p.inbox, err = p.in.open(w); err != nil {
		return nil, p.close(err)
	}
	p.sending = fake.Config{
		URL: "http://" + p.in.addr + demoPath, Token: strings.TrimSpace(string(token)), Children: 4, LoseReplies: 20, Resend: 20,
		Backoff: func(int) time.Duration { return 20 * time.Millisecond }, // a demo does not wait ten seconds
	}
	return p, nil
}

// close ends receiving. It returns what went wrong before, and what does now.
func (p *pushed) close(err error) error {
	if stopped := p.in.stop(); err == nil {
		err = stopped
	}
	if p.inbox != nil {
		p.inbox.Close()
	}
	return err
}

// show pushes twice: much at first, then what happens in an hour.
func (p *pushed) show(ctx context.Context) error {
	p.say("\na hospital pushes, through a fake Redox that sends each message again until it is taken:")
	if err := fake.New(p.sending).Verify(ctx, fake.Handshake{Method: http.MethodPost}); err != nil {
		return err
	}
	if err := p.push(ctx, demoPushed); err != nil {
		return err
	}
	p.say("\na little later:")
	if err := p.push(ctx, demoMore); err != nil {
		return err
	}
	p.say("\nevery state of everything is kept, and every byte that came:\n  select * from hospital.visit;            select * from hospital.patient_current;\n" +
		"  select * from hospital_history.visit;    select model, event_type, state, count(*) from syncd.delivery group by 1, 2, 3;")
	return nil
}

// push sends the next messages, drains them into tables, and shows what that did.
func (p *pushed) push(ctx context.Context, n int) error {
	messages := p.history.Take(n)
	p.say("%s", eventsOf(messages))
	sender := fake.New(p.sending)
	if err := sender.Send(ctx, slices.Values(messages)); err != nil {
		return err
	}
	c := sender.Counts()
	p.say("%s requests, of which %s brought what had come before; %s answered with 200 after a commit", count(int64(c.Sent)), count(int64(c.Sent-n)), count(int64(c.Sent)))
	reports, err := p.inner.drainOnce(p.w, p.cfg.Receivers[demoReceiver], job.Drain, p.log)
	var tables []load.RunTable
	for _, r := range reports {
		tellReport(p.Stdout, r)
		tables = append(tables, r.Tables...)
	}
	return errors.Join(err, p.printTouched(demoReceiver, tables))
}

// eventsOf counts messages by model and event.
func eventsOf(messages []*fake.Message) string {
	events := map[string]map[string]int{}
	for _, m := range messages {
		if events[m.Model] == nil {
			events[m.Model] = map[string]int{}
		}
		events[m.Model][m.EventType]++
	}
	var lines []string
	for _, model := range slices.Sorted(maps.Keys(events)) {
		var parts []string
		for _, event := range slices.Sorted(maps.Keys(events[model])) {
			parts = append(parts, fmt.Sprintf("%d %s", events[model][event], event))
		}
		lines = append(lines, fmt.Sprintf("  %-13s %s", model, strings.Join(parts, ", ")))
	}
	return strings.Join(lines, "\n")
}

// goOn lets the hospital push a message each second until ctx ends, and names what a daemon has to drain. The func sends the
// hospital home.
func (p *pushed) goOn(ctx context.Context) (drained []job.Drained, end func()) {
	p.say("the hospital goes on, a message each second; for more of them, in another terminal:\n  bin/syncd fake redox --destination %s --token-file %s --production --rate 50",
		p.sending.URL, p.tokenFile())
	slow := p.sending
	slow.Rate = 1
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- fake.New(slow).Send(ctx, p.history.All()) }()
	return drains(p.cfg, p.inbox), func() { stop(); <-done }
}
