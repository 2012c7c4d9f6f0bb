package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
)

var (
	//go:embed sql/installation_read.sql
	installationReadSQL string
	//go:embed sql/installation_stop.sql
	installationStopSQL string
	//go:embed sql/installation_beat.sql
	installationBeatSQL string
)

// freshBeat is how old the last beat in the data may be for a new timeline to be a fail-over: a standby took over what was at work
// a moment ago. With an older one the data is that of the past.
const freshBeat = 5 * time.Minute

// Place is where a database lives. Zero is unknown, and not compared.
type Place struct {
	Cluster  int64 // system identifier
	Database int64 // its oid
	Timeline int32
}

// Whereabouts is what a database says of the installation that it belongs to, and what to think of it here.
type Whereabouts struct {
	ID         string
	Name       string    // empty where nobody was at work yet
	Generation int       // grows when it is restored, moved or cloned
	BeatAt     time.Time // when somebody was last at work; zero where nobody was
	Was, Here  Place

	Stop     string // why nothing may be pulled or accepted here; empty where it may
	FailOver bool   // a standby took over
}

// StoppedError says that a database must not be worked in before somebody has said what it is.
type StoppedError struct{ Why string }

// Error tells why.
func (e *StoppedError) Error() string { return e.Why }

// Stopped is the error of a database that must not be worked in, with the ways out.
func Stopped(why string) error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "work in this database", Cause: &StoppedError{why},
		Next: "nothing is pulled and pushes are answered with 503 until somebody says what it is: `syncd doctor --after-restore` (this installation, restored from a backup), " +
			"`syncd adopt --moved` (this installation, moved with all its data), `syncd adopt --as-clone` (a copy for itself)",
	}
}

// Whereabouts looks at the database for the installation of a name. It changes nothing.
func (w *Warehouse) Whereabouts(ctx context.Context, installation string) (Whereabouts, error) {
	s, err := whereabouts(ctx, w.pool, installation)
	return s, fault("look whose database it is", err)
}

type asker interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func whereabouts(ctx context.Context, in asker, installation string) (s Whereabouts, err error) {
	var beat *time.Time
	var now time.Time
	var standby bool
	var was, here struct {
		cluster, database *int64
		timeline          *int32
	}
	err = in.QueryRow(ctx, installationReadSQL).Scan(&s.ID, &s.Name, &s.Generation, &beat, &now, &standby, &s.Stop,
		&was.cluster, &was.database, &was.timeline, &here.cluster, &here.database, &here.timeline)
	if err != nil {
		return s, err
	}
	s.Was = Place{zero(was.cluster), zero(was.database), zero(was.timeline)}
	s.Here = Place{zero(here.cluster), zero(here.database), zero(here.timeline)}
	s.BeatAt = zero(beat)
	s.judge(installation, now, standby)
	return s, nil
}

func zero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// judge compares where the installation was with where it is.
func (s *Whereabouts) judge(installation string, now time.Time, standby bool) {
	differ := func(a, b int64) bool { return a != 0 && b != 0 && a != b }
	silent := now.Sub(s.BeatAt).Round(time.Second)
	seen := "nobody has worked in it"
	if !s.BeatAt.IsZero() {
		seen = fmt.Sprintf("somebody last worked in it at %s", s.BeatAt.UTC().Format(time.RFC3339))
	}
	switch {
	case s.Stop != "": // somebody found that before
	case s.Was.Database == 0: // nobody was at work in it yet
	case differ(s.Was.Cluster, s.Here.Cluster):
		s.Stop = "the database was restored or copied into another cluster; " + seen
	case differ(s.Was.Database, s.Here.Database):
		s.Stop = "the database is a copy of another one of its cluster, or was restored beside it; " + seen
	case s.Name != "" && s.Name != installation:
		s.Stop = fmt.Sprintf("the database belongs to installation %s, and jobs.toml is of installation %s", s.Name, installation)
	case !differ(int64(s.Was.Timeline), int64(s.Here.Timeline)) || standby:
	case silent > freshBeat:
		s.Stop = fmt.Sprintf("the cluster is on another timeline and its data was silent for %s: it was restored to an earlier moment; %s", silent, seen)
	default:
		s.FailOver = true
	}
}

// guard lets nobody work in a database that is not the installation's own, on any of the connections of a warehouse. A database can
// be replaced only behind a new connection, so each is looked at.
type guard struct {
	installation string
	generation   atomic.Int64
	beat         atomic.Int64 // the last one that was seen, in seconds since 1970

	mu    sync.Mutex
	pools []*pgxpool.Pool
}

// watch makes new connections of a pool pass the guard. A nil guard lets all pass.
func (g *guard) watch(config *pgxpool.Config) {
	if g != nil {
		config.AfterConnect = g.admit
	}
}

// add makes the connections of a pool be looked at again when the guard finds that something is wrong.
func (g *guard) add(pool *pgxpool.Pool) {
	if g != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pools = append(g.pools, pool)
	}
}

// admit looks at a new connection.
func (g *guard) admit(ctx context.Context, conn *pgx.Conn) error {
	s, err := whereabouts(ctx, conn, g.installation)
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && slices.Contains([]string{"42P01", "42703", "42883", "3F000"}, pg.Code):
		return nil // no ledger, or one of an older version: nothing can be written by it
	case err != nil:
		return err
	case s.Stop == "":
		s.Stop = g.rewound(s)
	}
	if s.Stop != "" {
		return Stopped(s.Stop)
	}
	g.see(s)
	return nil
}

// rewound says that the data is older than what this process has seen of it, and not settled since: its disk was set back.
func (g *guard) rewound(s Whereabouts) string {
	beat := g.beat.Load()
	seen := time.Unix(beat, 0)
	if beat == 0 || int64(s.Generation) > g.generation.Load() || !s.BeatAt.Before(seen.Add(-freshBeat)) {
		return ""
	}
	return fmt.Sprintf("the data was set back: somebody worked in it at %s, and it knows nothing of that; its last beat is of %s",
		seen.UTC().Format(time.RFC3339), s.BeatAt.UTC().Format(time.RFC3339))
}

// see keeps what there is to be compared with later.
func (g *guard) see(s Whereabouts) {
	g.generation.Store(int64(s.Generation))
	if !s.BeatAt.IsZero() {
		g.beat.Store(s.BeatAt.Unix())
	}
}

// Guard refuses to work in a database that was restored, copied, or belongs to another installation, and says in the database that
// this one is at work. Whoever works for long asks again and again: it costs a read, and every ten seconds a row. In a warehouse
// that was opened without the name of an installation it does nothing.
func (w *Warehouse) Guard(ctx context.Context) error {
	g := w.guard
	if g == nil {
		return nil
	}
	s, err := whereabouts(ctx, w.pool, g.installation)
	if err == nil && s.Stop == "" {
		if s.Stop = g.rewound(s); s.Stop != "" {
			_, err = w.pool.Exec(ctx, installationStopSQL, s.Stop)
		}
	}
	if err == nil && s.Stop != "" {
		err = Stopped(s.Stop)
	}
	if err != nil {
		if errors.As(err, new(*StoppedError)) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, pool := range g.pools {
				pool.Reset()
			}
		}
		return fault("look whose database it is", err)
	}
	g.see(s)
	var from, to *int32
	err = w.pool.QueryRow(ctx, installationBeatSQL, g.installation, freshBeat).Scan(&from, &to)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // somebody was, a moment ago
	}
	if err == nil && zero(from) != zero(to) {
		w.log.Warn("postgres failed over to a standby: the work goes on; what had been committed and had not reached the standby is lost (with synchronous replication: nothing)",
			slog.Int("timeline_was", int(zero(from))), slog.Int("timeline", int(zero(to))), slog.Time("last_beat", s.BeatAt))
	}
	return fault("say that the installation is at work", err)
}

// Generation tells databases apart that are the same installation and not the same history: it grows with each restore. What a
// process knows of an older one does not hold any more.
func (w *Warehouse) Generation() int64 {
	if w.guard == nil {
		return 0
	}
	return w.guard.generation.Load()
}
