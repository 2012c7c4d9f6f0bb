package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd how the daemon is, where systemd asks for it (NOTIFY_SOCKET). Ready means that it listens: it is up while
// Postgres is not, answers 503 and waits, so that a machine may boot in any order.
type notifier struct {
	log    *slog.Logger
	notify func(state string) error // how systemd is told
	once   sync.Once                // of the complaint
}

func newNotifier(log *slog.Logger) *notifier {
	return &notifier{log: log, notify: func(state string) error {
		_, err := systemd.SdNotify(false, state)
		return err
	}}
}

// send tells systemd something; where nobody asks that is nothing.
func (n *notifier) send(state string) {
	if err := n.notify(state); err != nil {
		n.once.Do(func() { n.log.Warn("systemd cannot be told how the daemon is", slog.Any("error", err)) })
	}
}

// ready says that the daemon has started, or has reloaded, and how it is.
func (n *notifier) ready(status string) { n.send(systemd.SdNotifyReady + "\nSTATUS=" + status) }

// status says how the daemon is, in a line.
func (n *notifier) status(line string) { n.send("STATUS=" + line) }

func (n *notifier) reloading() {
	n.send(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec())
}

func (n *notifier) stopping() {
	n.send(systemd.SdNotifyStopping + "\nSTATUS=stopping: no work is taken, batches in hand finish")
}

// watchdogTime is the unit's WatchdogSec; 0 where it has none.
func (n *notifier) watchdogTime() time.Duration {
	within, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("systemd's watchdog asks for what cannot be read", slog.Any("error", err))
	}
	return within
}

// watchdog shows at half of that time that the daemon is alive, as long as it is, until ctx ends.
func (n *notifier) watchdog(ctx context.Context, within time.Duration, alive func() error) {
	if within <= 0 {
		return
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for dead := false; ; {
		switch err := alive(); {
		case err == nil:
			dead = false
			n.send(systemd.SdNotifyWatchdog)
		case !dead:
			dead = true
			n.log.Error("the watchdog is not told any more that the daemon is alive", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
