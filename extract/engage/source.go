package engage

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	"syncd/extract"
)

// SourceConfig is what a Source needs to know. Job and Client are required.
type SourceConfig struct {
	Job     string // for errors
	Client  *Client
	Options Options
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
}

// Source is one campus as one job reads it. It implements extract.Source.
type Source struct {
	cfg     SourceConfig
	log     *slog.Logger
	layouts []*layout

	described       bool
	requests, bytes int64 // of the client before the first request
}

var (
	_ extract.Source  = (*Source)(nil)
	_ extract.Metered = (*Source)(nil)
	_ extract.Checked = (*Source)(nil)
)

// New makes a Source. It sends nothing.
func New(cfg SourceConfig) (*Source, error) {
	if cfg.Client == nil {
		return nil, extract.Errorf(extract.KindInternal, "make engage source", "no client")
	}
	if key, reason := cfg.Options.Check(); reason != "" {
		return nil, &extract.Error{Kind: extract.KindConfig, What: "read options", Where: cfg.Job, Cause: errors.New(key + " " + reason)}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Source{cfg: cfg, log: cfg.Log.With("job", cfg.Job), layouts: layouts(cfg.Options)}, nil
}

// layouts lay out what a job pulls, in the order in which it is read.
func layouts(o Options) (all []*layout) {
	lists := resources()
	for _, name := range o.names() {
		at := slices.IndexFunc(lists, func(r *resource) bool { return r.name == name })
		l := newLayout(lists[at], o.keeps)
		o.narrow(l)
		all = append(all, l)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Resource)) {
		all = append(all, newLayout(o.Resource[name].resource(name), o.keeps))
	}
	return all
}

// narrow sets the parameters by which a job leaves items out.
func (o Options) narrow(l *layout) {
	set := func(name string, on bool) {
		if on {
			l.params.Set(name, "true")
		}
	}
	switch l.name {
	case organizations:
		set("excludeHiddenOrganizations", o.Hidden)
		if o.Status != "" {
			l.params.Set("status", o.Status)
		}
		l.whole = o.Status != "" || o.Hidden
	case memberships:
		set("publicPrivacyFilter", o.PublicFilter)
		set("campusPrivacyFilter", o.CampusFilter)
		l.whole = o.PublicFilter || o.CampusFilter
	}
}

// Describe asks whether the key is let in. The structure is that of the reference and of the job: nothing is asked for it.
func (s *Source) Describe(ctx context.Context, _ extract.Since) (*extract.Structure, error) {
	s.requests, s.bytes = s.cfg.Client.Cost()
	if err := s.letIn(ctx); err != nil {
		return nil, err
	}
	base, err := url.Parse(s.cfg.Client.Server())
	if err != nil {
		return nil, extract.Errorf(extract.KindInternal, "read url", "%s: not a URL", s.cfg.Job)
	}
	s.described = true
	offset, _ := s.cfg.Client.Clock()
	st := &extract.Structure{
		Identity: extract.Identity{Server: s.cfg.Client.Server(), ID: base.Hostname(), Title: base.Hostname(), Version: "v2", Clock: offset},
		Views:    views(func(name string) bool { return slices.Contains(s.cfg.Options.names(), name) }),
	}
	for _, l := range s.layouts {
		st.Tables = append(st.Tables, l.tables()...)
	}
	return st, nil
}

// letIn asks test, which a key may have no right to: then the resources will tell.
func (s *Source) letIn(ctx context.Context) error {
	_, ok, err := s.cfg.Client.Test(ctx)
	switch kind := extract.KindOf(err); {
	case err == nil && !ok:
		return &extract.Error{
			Kind: extract.KindAuth, What: "read test", Where: s.cfg.Job, Cause: errors.New("the server says that the key is not let in"),
			Next: "syncd check " + s.cfg.Job + " shows its words",
		}
	case err == nil, ctx.Err() == nil && (kind == extract.KindRights || kind == extract.KindRefused || kind == extract.KindGarbled):
		return nil
	}
	return err
}

// Pull reads each list as a whole, or what has changed of it since the last good run.
func (s *Source) Pull(ctx context.Context, since extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	if !s.described {
		return nil, extract.Errorf(extract.KindInternal, "pull", "Describe was not called")
	}
	if since.Part != nil && since.Part.Step == extract.Collect {
		return s.collect(ctx, since.Parts)
	}
	return extract.Overlap(ctx, yield, func(ctx context.Context, hand *extract.Handoff) (*extract.Proof, error) {
		p := newPull(s, since, hand)
		if err := p.run(ctx); err != nil {
			return nil, err
		}
		return p.proof, nil
	})
}

// Cost implements extract.Metered. Engage keeps no log of its own that requests fill.
func (s *Source) Cost() (requests, bytes, logRows int64) {
	requests, bytes = s.cfg.Client.Cost()
	return requests - s.requests, bytes - s.bytes, 0
}

// Check looks at the way to the campus, at the key, and at each list of the job.
func (s *Source) Check(ctx context.Context) []extract.Finding {
	found := s.cfg.Client.Check(ctx)
	if slices.ContainsFunc(found, func(f extract.Finding) bool { return !f.OK && !f.Warning }) {
		return found
	}
	for _, l := range s.layouts {
		found = append(found, s.cfg.Client.CheckResource(ctx, l.name, l.path, l.params))
	}
	return found
}

// now is the server's clock.
func (s *Source) now() time.Time {
	offset, _ := s.cfg.Client.Clock()
	return s.cfg.Now().Add(offset).UTC()
}
