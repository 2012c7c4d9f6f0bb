package notice

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"syncd/extract"
	"syncd/load"
)

const (
	every    = time.Minute
	sendTime = time.Minute      // of one message, tries included
	noteTime = 5 * time.Second  // to write down what became of it
	lease    = 3 * sendTime     // others take a message that nobody has spoken of for so long
	firstTry = time.Minute      // before the second try; twice as long each time
	lastTry  = time.Hour        // between tries, at the most
	giveUp   = 24 * time.Hour   // after it was made a message is of no use any more
	refused  = 3                // tries of a message that the other side refuses for what it is
	sightFor = 10 * time.Minute // how long what a process sees of itself holds
)

// Notifier is a way to tell somebody.
type Notifier struct {
	Name string
	Only []Cause // nothing: all
	Open func() Sender
}

// Sender sends a message. Its errors hold no address, secret or answer.
type Sender interface {
	Send(context.Context, Message) error
}

// Config is what an Engine is made of.
type Config struct {
	Warehouse *load.Warehouse
	Rules     func() *Rules                         // asked at each turn
	See       func(context.Context) []load.Sighting // what this process sees of itself; may be nil
	Peers     func() []load.Sighting                // certificates of peers as this process met them; may be nil
	Replica   string                                // unique to this process
	Log       *slog.Logger
	Now       func() time.Time // nil: the clock of Postgres
}

// Engine looks once a minute and sends what is to be sent. Every replica has one.
type Engine struct {
	Config
	away bool

	mu    sync.Mutex
	tally map[string]Tally
}

// Tally counts what this process did with the messages of a notifier.
type Tally struct{ Sent, Failed, GivenUp int64 }

// NewEngine makes an Engine; Run starts it.
func NewEngine(c Config) *Engine { return &Engine{Config: c, tally: map[string]Tally{}} }

// Run looks and sends until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := e.Turn(ctx)
		if err != nil && ctx.Err() == nil && !e.away {
			e.Log.Warn("notifications wait", slog.Any("error", err))
		}
		e.away = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Turn looks once and sends what is due.
func (e *Engine) Turn(ctx context.Context) error {
	now, err := e.now(ctx)
	if err != nil {
		return err
	}
	rules := e.Rules()
	if err := e.see(ctx, now); err != nil {
		return err
	}
	evaluated := time.Time{}
	if e.Now != nil {
		evaluated = now
	}
	if err := e.Warehouse.Evaluate(ctx, evaluated, func(s load.Standing) (load.Decision, error) { return decide(s, rules) }); err != nil {
		return err
	}
	return e.deliver(ctx, rules)
}

func (e *Engine) now(ctx context.Context) (time.Time, error) {
	if e.Now != nil {
		return e.Now(), nil
	}
	return e.Warehouse.Now(ctx)
}

// see writes down what only this process sees.
func (e *Engine) see(ctx context.Context, now time.Time) error {
	var errs []error
	if e.See != nil {
		seen := e.See(ctx)
		for i := range seen {
			seen[i].SeenAt = now
		}
		errs = append(errs, e.Warehouse.See(ctx, e.Replica, sightFor, seen))
	}
	if e.Peers != nil {
		errs = append(errs, e.Warehouse.See(ctx, "", peersFor, e.Peers()))
	}
	return errors.Join(errs...)
}

// peersFor is how long a peer's certificate counts that was not met again: sources are asked once a week at the least, as a rule.
const peersFor = 8 * 24 * time.Hour

// deliver sends what is due, message by message.
func (e *Engine) deliver(ctx context.Context, rules *Rules) error {
	now, err := e.now(ctx)
	if err != nil {
		return err
	}
	if _, err := e.Warehouse.ExpireMessages(ctx, now.Add(-giveUp), now); err != nil {
		return err
	}
	names := make([]string, len(rules.Notifiers))
	for i, n := range rules.Notifiers {
		names[i] = n.Name
	}
	for len(names) > 0 && ctx.Err() == nil {
		m, err := e.Warehouse.TakeMessage(ctx, names, now, lease)
		if err != nil || m == nil {
			return err
		}
		i := slices.IndexFunc(rules.Notifiers, func(n Notifier) bool { return n.Name == m.Notifier })
		if err := e.settle(ctx, m, e.send(ctx, rules.Notifiers[i], m)); err != nil {
			return err
		}
		if now, err = e.now(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) send(ctx context.Context, n Notifier, m *load.Message) error {
	var message Message
	if err := json.Unmarshal(m.Body, &message); err != nil {
		return extract.Errorf(extract.KindInternal, "read message", "it is not what was written")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, sendTime, errors.New("the message was not taken within "+sendTime.String()))
	defer cancel()
	return n.Open().Send(ctx, message)
}

// settle writes down what became of a message. One that the process was stopped over is left to its lease.
func (e *Engine) settle(ctx context.Context, m *load.Message, failed error) error {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	now, err := e.now(late)
	if err != nil {
		return err
	}
	if failed == nil {
		e.count(m.Notifier, Tally{Sent: 1})
		return e.Warehouse.SentMessage(late, m.ID, now)
	}
	if ctx.Err() != nil {
		return nil
	}
	attrs := []any{slog.String("notifier", m.Notifier), slog.String("cause", m.Cause), slog.Int("attempt", m.Tries), slog.Any("error", failed)}
	wait := min(firstTry<<min(m.Tries-1, 10), lastTry)
	kind := extract.KindOf(failed)
	hopeless := m.Tries >= refused && (kind == extract.KindRefused || kind == extract.KindTooLarge)
	if hopeless || now.Add(wait).Sub(m.Made) > giveUp {
		e.Log.Error("a message is given up", attrs...)
		e.count(m.Notifier, Tally{Failed: 1, GivenUp: 1})
		return e.Warehouse.FailedMessage(late, m.ID, failed.Error(), time.Time{}, now)
	}
	if m.Tries == 1 {
		e.Log.Warn("a message could not be sent, it is tried again", append(attrs, slog.Duration("wait", wait))...)
	}
	e.count(m.Notifier, Tally{Failed: 1})
	return e.Warehouse.FailedMessage(late, m.ID, failed.Error(), now.Add(wait), now)
}

func (e *Engine) count(name string, t Tally) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sum := e.tally[name]
	e.tally[name] = Tally{sum.Sent + t.Sent, sum.Failed + t.Failed, sum.GivenUp + t.GivenUp}
}

// Tallies returns what this process did since its start, by notifier.
func (e *Engine) Tallies() map[string]Tally {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]Tally, len(e.tally))
	for name, t := range e.tally {
		all[name] = t
	}
	return all
}
