package load

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	//go:embed sql/budget_take.sql
	budgetTakeSQL string
	//go:embed sql/place_try.sql
	placeTrySQL string
	//go:embed sql/place_wait.sql
	placeWaitSQL string
	//go:embed sql/place_leave.sql
	placeLeaveSQL string
)

const (
	// places is how many requests may be under way to a host at once, whoever sends them.
	places = 2
	// onTheWay is by how much more one request may be delayed between its instant and the server than another: a
	// connection that is made first, the reply of Postgres.
	onTheWay = 3 * time.Second
	// tooLate is the part of it that may pass here. Who comes later (its process was frozen, Postgres was slow to reply)
	// lets the instant go and takes another.
	tooLate = 2 * time.Second
	// placeConns bounds the connections that hold places, of all hosts together.
	placeConns = 16
	// placeIdle is how long a connection without a place is kept, and placeTurn how long a place is waited for
	// before one looks whether the other has become free.
	placeIdle = time.Minute
	placeTurn = "500ms"
	// leaveWithin bounds how long it takes to give a place back; beyond it the connection is closed instead.
	leaveWithin = 5 * time.Second
)

// Budget bounds how often and by how many at once a host is asked, over all processes that share a warehouse. It is safe
// for concurrent use.
//
// The row of the host in syncd.budget holds the instant from which the next request may arrive; a request takes that
// instant and moves it on by its spacing, in one statement, and waits for it. The row may lag behind the clock by
// burst-1 spacings, so that many may come at once after a pause. In a window of length W there are then at
// most burst + W/spacing of these instants, both ends included. An instant is taken by the clock of Postgres, and a
// request is up to onTheWay late at the server, so W is 60 s + onTheWay at most for what arrives within 60 s. With
//
//	spacing > (60 s + onTheWay) / (n - burst + 1)
//
// that is less than burst + n - burst + 1, so n at most. Who has a smaller n moves the row of a shared host by its own,
// longer spacing.
type Budget struct {
	host     string
	spacing  time.Duration
	credit   time.Duration // burst-1 spacings
	keys     [places]int64 // of the advisory locks that are the places
	line     chan struct{} // those of this process that hold a place or try to; shared by the budgets of a host
	pool     func(context.Context) (*pgxpool.Pool, error)
	now      func() time.Time // nil: the clock of Postgres. Tests make their own time
	sleep    func(context.Context, time.Duration) error
	patience time.Duration // how long a request waits for a Postgres that is away
}

// Budget returns the budget of a host for a server that allows perMinute requests in any minute.
func (w *Warehouse) Budget(host string, perMinute int) *Budget {
	perMinute = max(1, perMinute)
	burst := max(1, perMinute/30)
	return w.budget(host, (time.Minute+onTheWay)/time.Duration(perMinute-burst+1)+time.Microsecond, burst)
}

// PerSecond returns the budget of a host for a server that allows perSecond requests a second and no two at once: of
// those that are sent within W seconds there are at most burst + W * perSecond.
func (w *Warehouse) PerSecond(host string, perSecond, burst int) *Budget {
	b := w.budget(host, time.Second/time.Duration(max(1, perSecond)), max(1, burst))
	for i := range b.keys {
		b.keys[i] = b.keys[0]
	}
	return b
}

func (w *Warehouse) budget(host string, spacing time.Duration, burst int) *Budget {
	b := &Budget{
		host: host, spacing: spacing, credit: time.Duration(burst-1) * spacing, line: w.places.line(host),
		pool: w.places.open, sleep: sleep, patience: retryFor,
	}
	for i := range b.keys {
		sum := sha256.Sum256(fmt.Appendf(nil, "syncd place %d %s", i, host))
		b.keys[i] = int64(binary.BigEndian.Uint64(sum[:8]))
	}
	return b
}

// Wait returns when a request may be sent; done gives its place to the next. The place is taken before the instant: an
// instant that has to wait for a place would be late. While Postgres is away nothing is sent.
func (b *Budget) Wait(ctx context.Context) (done func(), err error) {
	select {
	case b.line <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p, err := b.await(ctx)
	if err != nil {
		<-b.line
		return nil, fault("wait for a request to "+b.host, err)
	}
	return sync.OnceFunc(func() {
		p.leave()
		<-b.line
	}), nil
}

// await takes place and instant, again where the connection was lost over it.
func (b *Budget) await(ctx context.Context) (p *seat, err error) {
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstRetry), backoff.WithMaxInterval(lastRetry),
		backoff.WithMaxElapsedTime(b.patience))
	var last error
	err = backoff.Retry(func() error {
		if p, last = b.take(ctx); last != nil && (ctx.Err() != nil || !passing(last)) {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(wait, ctx))
	if err != nil && last != nil {
		err = last
	}
	return p, err
}

func (b *Budget) take(ctx context.Context) (*seat, error) {
	p, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.instant(ctx, p.conn); err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

// instant takes the next instant of the host and waits for it.
func (b *Budget) instant(ctx context.Context, conn *pgxpool.Conn) error {
	for {
		var now *time.Time
		began := b.clock()
		if b.now != nil {
			now = &began
		}
		var micros int64
		if err := conn.QueryRow(ctx, budgetTakeSQL, b.host, b.spacing, b.credit, now).Scan(&micros); err != nil {
			return err
		}
		wait := time.Duration(micros) * time.Microsecond
		if err := b.sleep(ctx, wait); err != nil {
			return err
		}
		if b.clock().Sub(began)-max(0, wait) <= tooLate {
			return nil
		}
	}
}

// clock is for differences only: what counts is the clock of Postgres.
func (b *Budget) clock() time.Time {
	if b.now != nil {
		return b.now()
	}
	return time.Now()
}

// seat is a connection that holds one of the locks of a host. When its session ends, however it ends, the lock is free.
type seat struct {
	conn *pgxpool.Conn
	key  int64
	ctx  context.Context // of the request, without its end
}

// enter takes one of the places of the host. Who finds none queues for one of them, so that nobody is passed over for
// ever, and for the other after a while: either may be long.
func (b *Budget) enter(ctx context.Context) (*seat, error) {
	pool, err := b.pool(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	p := &seat{conn: conn, ctx: context.WithoutCancel(ctx)}
	for turn := rand.IntN(places); ; turn++ {
		var got int
		if err := conn.QueryRow(ctx, placeTrySQL, b.keys[0], b.keys[1]).Scan(&got); err != nil {
			p.drop()
			return nil, err
		}
		if got > 0 {
			p.key = b.keys[got-1]
			return p, nil
		}
		p.key = b.keys[turn%places]
		_, err := conn.Exec(ctx, placeWaitSQL, p.key)
		if err == nil {
			return p, nil
		}
		if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "55P03" {
			p.drop()
			return nil, err
		}
	}
}

// leave gives the place back. Where that cannot be done in time the session is ended, and its lock with it.
func (p *seat) leave() {
	ctx, cancel := context.WithTimeout(p.ctx, leaveWithin)
	defer cancel()
	var held bool
	if err := p.conn.QueryRow(ctx, placeLeaveSQL, p.key).Scan(&held); err != nil || !held {
		_ = p.conn.Conn().Close(ctx)
	}
	p.conn.Release()
}

// drop ends a session of which it is not known whether it holds a lock.
func (p *seat) drop() {
	ctx, cancel := context.WithTimeout(p.ctx, leaveWithin)
	defer cancel()
	_ = p.conn.Conn().Close(ctx)
	p.conn.Release()
}

// entrance is what the budgets of a warehouse share: connections apart from those that load, made when first needed.
type entrance struct {
	config *pgxpool.Config

	mu     sync.Mutex
	pool   *pgxpool.Pool
	closed bool
	lines  map[string]chan struct{} // by host
}

// newEntrance keeps the settings of a warehouse's connections for those that hold places.
func newEntrance(config *pgxpool.Config) *entrance {
	own := config.Copy()
	own.MaxConns, own.MaxConnIdleTime = placeConns, placeIdle
	own.ConnConfig.RuntimeParams["lock_timeout"] = placeTurn
	own.ConnConfig.RuntimeParams["idle_session_timeout"] = "0" // one that holds a place is idle meanwhile
	return &entrance{config: own, lines: map[string]chan struct{}{}}
}

func (e *entrance) line(host string) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lines[host] == nil {
		e.lines[host] = make(chan struct{}, places)
	}
	return e.lines[host]
}

// open returns the connections for places.
func (e *entrance) open(ctx context.Context) (*pgxpool.Pool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("the warehouse is closed")
	}
	if e.pool == nil {
		pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), e.config) // connects when it is used
		if err != nil {
			return nil, err
		}
		e.pool = pool
	}
	return e.pool, nil
}

func (e *entrance) close() {
	e.mu.Lock()
	pool := e.pool
	e.pool, e.closed = nil, true
	e.mu.Unlock()
	if pool != nil {
		pool.Close()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
