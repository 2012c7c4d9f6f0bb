package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"syncd/internal/config"
	"syncd/internal/pgembed"
)

// heir is a daemon's claim on a private Postgres that another process started: it ends with that process, and the daemon goes on.
type heir struct {
	cancel context.CancelFunc
	over   sync.WaitGroup
	server *pgembed.Server // once it is the daemon's own
}

// newHeir waits for a private Postgres to be free. One that this process started itself stays what it is.
func newHeir(ctx context.Context, cfg *config.Config, log *slog.Logger) *heir {
	ctx, cancel := context.WithCancel(ctx)
	h := &heir{cancel: cancel}
	if cfg.Postgres.Private {
		h.over.Go(func() {
			if h.server = inherit(ctx, filepath.Join(cfg.DataDir, "postgres"), postgresWait, log); h.server != nil {
				log.Info("started the private Postgres anew: the process that ran it has ended")
			}
		})
	}
	return h
}

// inherit starts the server on a folder as soon as no process has it, looking every so often. It is nil when ctx ends first.
func inherit(ctx context.Context, dir string, every time.Duration, log *slog.Logger) *pgembed.Server {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !pgembed.Free(dir) {
			continue
		}
		server, err := pgembed.Start(ctx, pgembed.Options{Dir: dir})
		if err == nil {
			return server
		}
		log.Debug("the private Postgres could not be started", slog.Any("error", err)) // whoever asks it anything says so
	}
}

// close gives up the claim, and ends the server if it has become this process's own.
func (h *heir) close() error {
	h.cancel()
	h.over.Wait()
	if h.server == nil {
		return nil
	}
	return h.server.Stop()
}
