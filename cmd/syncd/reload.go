package main

import (
	"log/slog"
	"os"

	"syncd/internal/config"
)

// reloads reads the configuration anew at each SIGHUP, until the daemon stops.
func (d *daemon) reloads(hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			d.reload()
		case <-d.stops.stop:
			return
		case <-d.stops.ctx.Done():
			return
		}
	}
}

// reload reads the configuration anew. One that has problems changes nothing.
func (d *daemon) reload() {
	d.tell.reloading()
	cfg, err := config.Load(d.c.config, d.c.options...)
	if err != nil {
		at := d.loaded.refuse()
		d.log.Error("configuration was not reloaded, for it has problems: what was loaded before holds on", slog.Time("loaded_at", at), slog.Any("error", err))
		d.tell.ready("the configuration has problems and was not reloaded; " + serves(d.config()))
		return
	}
	d.apply(cfg)
	d.tell.ready(serves(d.config()))
}

// apply lets another configuration hold. Runs and requests under way go on as they began.
func (d *daemon) apply(cfg *config.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stops.interrupted() || d.stops.ctx.Err() != nil {
		return
	}
	var left []string
	for _, s := range cfg.KeepFixed(d.began) {
		left = append(left, s.Key+" ("+s.From+")")
	}
	if len(left) > 0 {
		d.log.Warn("restart to apply: these settings hold from the start of the daemon to its end", slog.Any("settings", left))
	}
	d.level.Set(d.c.levelOf(cfg))
	d.cfg.Store(cfg)
	d.loaded.take(cfg, left)
	d.applyReceivers(cfg)
	if d.w != nil {
		from := d.c.newSources(cfg, d.log, d.w)
		from.follow(d.sources())
		d.from.Store(from)
		d.engine.Replace(planned(cfg, from), d.drains(cfg))
	}
	d.log.Info("configuration reloaded", slog.Int("jobs", len(cfg.Jobs)), slog.Int("receivers", len(cfg.Receivers)))
}

func (d *daemon) applyReceivers(cfg *config.Config) {
	if d.in != nil {
		d.in.replace(cfg)
		return
	}
	if len(cfg.Receivers) == 0 {
		return
	}
	err := d.receive(cfg)
	if err == nil {
		err = d.openInbox()
	}
	if err != nil {
		d.log.Error("receivers do not receive; reload again when it is mended", slog.Any("error", err))
	}
}

// levelOf is from which level on the log is written: --log-level goes before the file.
func (c *cli) levelOf(cfg *config.Config) (level slog.Level) {
	text := cfg.Serve.LogLevel
	if c.logLevel != "" {
		text = c.logLevel
	}
	_ = level.UnmarshalText([]byte(text)) // both were checked
	return level
}
