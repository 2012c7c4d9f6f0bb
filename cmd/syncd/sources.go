package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"syncd/extract"
	"syncd/extract/engage"
	"syncd/extract/redcap"
	"syncd/extract/upstream"
	"syncd/internal/config"
	"syncd/load"
)

// sources builds sources from the configuration. What bounds the requests to a server is shared by all its jobs, and with a
// warehouse by all processes; a verb that has none keeps to the budget for itself.
type sources struct {
	cfg   *config.Config
	log   *slog.Logger
	w     *load.Warehouse
	wait  time.Duration
	alone map[string]upstream.Budget // by source, where there is no warehouse
	tries int                        // of one request; 0: as many as a run makes

	mu     sync.Mutex
	clocks map[string]clocked // by source, of its last run
}

// clocked tells how far a source's clock is before ours, and how it was reached; false as long as it is not known.
type clocked interface {
	Clock() (offset time.Duration, ok bool)
	Way() (way upstream.Way, ok bool)
}

// burst is how many requests may come to a campus at once after a pause.
const burst = 5

func (m *Main) newSources(cfg *config.Config, log *slog.Logger, w *load.Warehouse) *sources {
	s := &sources{cfg: cfg, log: log, w: w, wait: m.wait, alone: map[string]upstream.Budget{}, clocks: map[string]clocked{}}
	for name, server := range cfg.Servers {
		s.alone["redcap."+name] = upstream.PerMinute(server.RequestsPerMinute)
	}
	for name, campus := range cfg.Campuses {
		s.alone["engage."+name] = upstream.PerSecond(campus.RequestsPerSecond, burst)
	}
	return s
}

// source is what the command line needs of a source of a job.
type source interface {
	extract.Source
	extract.Checked
}

// of makes the source of a job. What is missing in its surroundings is an error of KindConfig, and that job's alone.
func (s *sources) of(job *config.Job) (source, error) {
	if job.Campus != nil {
		return s.campus(job)
	}
	return s.project(job, secret(job, "token", "read the token of job "+job.Name))
}

func (s *sources) project(job *config.Job, token func(context.Context) (string, error)) (*redcap.Source, error) {
	e := s.endpoint(job, job.Server.URL)
	e.Judge = redcap.Judge
	if s.w != nil && job.Server.RequestsPerMinute > 0 {
		e.Budget = s.w.Budget(upstream.HostOf(e.URL), job.Server.RequestsPerMinute)
	}
	client, err := upstream.New(job.Server.Config, e)
	if err != nil {
		return nil, misconfigured("reach "+job.Source, err)
	}
	s.watch(job.Source, client)
	return redcap.New(redcap.Config{
		Job: job.Name, Server: client.Server(), Client: client, Zone: job.Server.Zone, Options: job.Project.Options, Log: s.log,
		Token: token, Blocked: s.blocked(job),
	})
}

func (s *sources) campus(job *config.Job) (*engage.Source, error) {
	c := job.Campus
	e := s.endpoint(job, c.URL)
	if s.w != nil && c.RequestsPerSecond > 0 {
		e.Budget = s.w.PerSecond(upstream.HostOf(e.URL), c.RequestsPerSecond, burst)
	}
	access := engage.Config{Access: c.Access, Reach: c.Config, Endpoint: e}
	for _, key := range []struct {
		name string
		is   config.Secret
		into *func(context.Context) (string, error)
	}{
		{"public_key", c.PublicKey, &access.PublicKey},
		{"private_key", c.PrivateKey, &access.PrivateKey},
		{"api_key", c.APIKey, &access.APIKey},
	} {
		if !key.is.IsZero() {
			*key.into = secret(job, key.name, "read "+key.name+" of "+job.Source)
		}
	}
	client, err := engage.NewClient(access)
	if err != nil {
		return nil, misconfigured("reach "+job.Source, err)
	}
	s.watch(job.Source, client)
	return engage.New(engage.SourceConfig{Job: job.Name, Client: client, Options: job.Engage, Log: s.log})
}

func (s *sources) watch(source string, client clocked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clocks[source] = client
}

// follow takes over what sources before knew of the clocks of those that are still there.
func (s *sources) follow(before *sources) {
	before.mu.Lock()
	defer before.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, clock := range before.clocks {
		if s.alone[name] != nil {
			s.clocks[name] = clock
		}
	}
}

// offsets returns how far the clocks of sources are before ours, of those that have told.
func (s *sources) offsets() map[string]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]time.Duration{}
	for name, c := range s.clocks {
		if offset, ok := c.Clock(); ok {
			known[name] = offset
		}
	}
	return known
}

// endpoint is the server of a job as all sources reach it. Without a warehouse it has the budget of this process.
func (s *sources) endpoint(job *config.Job, url string) upstream.Endpoint {
	e := upstream.Endpoint{Name: job.Source, URL: url, Version: version, Log: s.log, Tries: s.tries, Wait: s.wait}
	if s.w == nil {
		e.Budget = s.alone[job.Source]
	} else {
		e.Circuit = s.w.Circuit(job.Source)
	}
	return e
}

// secret reads a secret of a job at each of its uses. That it is missing is the job's own fault.
func secret(job *config.Job, key, what string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		value, err := job.ReadSecret(ctx, key)
		if err != nil {
			return "", misconfigured(what, err)
		}
		return value, nil
	}
}
