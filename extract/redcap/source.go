// Package redcap reads one REDCap project: its structure and its records come in over the API, tables and batches
// go out.
//
// It promises: each record id that the server lists is read, confirmed gone by a second list, or the run fails;
// an answer that is empty, cut, a web page or of another project's shape is never taken for data, so that it
// can delete nothing; types, names and parts follow from the dictionary alone, never from values; what does not fit
// its type is kept beside the row and never lost.
//
// It must never call a method that writes or that mints a link or code, put a value or the token into an error or a
// log, or know what a warehouse is.
package redcap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"syncd/extract"
	"syncd/extract/upstream"
)

// BodyBytes is the longest request for records unless Config says otherwise: firewalls in front of REDCap
// commonly refuse bodies over 8 KiB (reference 1).
const BodyBytes = 7_500

// Config is what a Source needs to know. Job, Server, Token and Client are required.
type Config struct {
	Job    string // for errors
	Server string // scheme, host and path, without secrets
	// Token reads the project's token; it is called before each request.
	Token     func(ctx context.Context) (string, error)
	Client    *upstream.Client
	Zone      *time.Location // the server's wall clock, for bounds such as today; default UTC
	Options   Options
	BodyBytes int // longest request body; default BodyBytes
	// Blocked lists the records that were purged: they are not asked for, and rows that name them are left out. It is called once; nil is none.
	Blocked func(ctx context.Context) (*extract.Blocked, error)
	Log     *slog.Logger
	Now     func() time.Time // default time.Now
}

// Source is one project behind its token. It implements extract.Source.
type Source struct {
	viewed  string // how much the last good run could see; empty: all, or not known
	cfg     Config
	log     *slog.Logger
	began   time.Time // our clock before the first request
	from    *inquiry  // where answers about the structure come from
	reading reading
	said    []string // for the operator, beside the structure's warnings
	model   *model
	extras  []extra
	content *contents      // nil where no contents of files are pulled
	stored  extract.Stored // what the warehouse holds; nil until Pull
	blocked *extract.Blocked
	barred  barred
	partial bool          // some records are read and nothing else
	base    *extract.Kept // what the last batch carries in place of what this run found; nil: what it found

	requests, bytes int64 // of the client before the first request
}

var (
	_ extract.Source  = (*Source)(nil)
	_ extract.Checked = (*Source)(nil)
)

// New makes a Source. It sends nothing.
func New(cfg Config) (*Source, error) {
	if cfg.Client == nil || cfg.Token == nil {
		return nil, extract.Errorf(extract.KindInternal, "make redcap source", "no client or no token")
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.BodyBytes <= 0 {
		cfg.BodyBytes = BodyBytes
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Server == "" {
		cfg.Server = cfg.Client.Server()
	}
	if key, reason := cfg.Options.Check(); key != "" {
		return nil, &extract.Error{Kind: extract.KindConfig, What: "read options", Where: cfg.Job, Cause: errors.New(key + " " + reason)}
	}
	return &Source{cfg: cfg, log: cfg.Log.With("job", cfg.Job)}, nil
}

// Describe reads the project's identity and as much of its structure as the last good run cannot vouch for: 2 to 13 small
// requests, no record.
func (s *Source) Describe(ctx context.Context, since extract.Since) (*extract.Structure, error) {
	s.began = s.cfg.Now()
	s.requests, s.bytes = s.cfg.Client.Stats()
	if s.cfg.Blocked != nil {
		var err error
		if s.blocked, err = s.cfg.Blocked(ctx); err != nil {
			return nil, err
		}
	}
	s.partial = since.Part != nil && since.Part.Step == extract.Read
	p, err := s.read(ctx, since)
	if err != nil {
		return nil, err
	}
	m, err := newModel(p, s.cfg.Options)
	if err != nil {
		return nil, err
	}
	s.reading.fresh.Field = m.idField
	if p.header != nil { // before anything is altered: a dictionary that lacks what is exported is not whole
		if _, fault := m.newLayout(nil, p.header); fault != nil {
			fault.What, fault.Where = "export metadata", s.cfg.Server
			return nil, fault
		}
	}
	s.model = m
	more, err := s.describeExtras(ctx, p)
	if err != nil {
		return nil, err
	}
	offset, _ := s.cfg.Client.Clock()
	return &extract.Structure{
		Identity: extract.Identity{
			Server:  s.cfg.Server,
			ID:      p.info["project_id"],
			Title:   p.info["project_title"],
			Version: p.version,
			Clock:   offset,
		},
		Tables:   append(m.tables(), more...),
		Partial:  s.partial,
		Renames:  s.reading.diff.renames,
		RenameID: s.reading.renameID(),
		Warnings: p.warnings, AccessEnds: p.accessEnds,
	}, nil
}

// Cost implements extract.Metered. Each call is a row of REDCap's log.
func (s *Source) Cost() (requests, bytes, logRows int64) {
	requests, bytes = s.cfg.Client.Stats()
	requests, bytes = requests-s.requests, bytes-s.bytes
	return requests, bytes, requests
}

// serverTime is the upstream's clock at an instant of ours.
func (s *Source) serverTime(at time.Time) time.Time {
	offset, _ := s.cfg.Client.Clock()
	return at.Add(offset).UTC()
}

// warn keeps a sentence for the operator.
func (p *snapshot) warn(format string, args ...any) {
	p.warnings = append(p.warnings, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
