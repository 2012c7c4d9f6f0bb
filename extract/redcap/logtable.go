package redcap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// logOverlap is how far before what is stored the log is read again: where clocks are set back the same minutes come twice.
const logOverlap = 2 * time.Hour

// logBatch bounds the rows of one batch of the log.
const logBatch = 5_000

// logTable describes redcap_log. The log has no key of its own and its minutes no seconds: a row is told from its equals of
// the same minute by its place among them.
func (m *model) logTable(details bool) *extract.Table {
	columns := []metaColumn{
		{"*timestamp", tim},
		{"*content", extract.UUID},
		{"*ordinal", num},
		{"kind", txt},
		{"username", txt},
		{"record", txt},
		{"action", txt},
	}
	if details {
		columns = append(columns, metaColumn{"details", txt})
	}
	t := metaTableOf("redcap_log", "The project's log by minutes of the server's clock; rows stay when the site prunes its own", columns...)
	if !details {
		t.Unnamed = append(t.Unnamed, "details")
	}
	t.Indexes = [][]string{{"record"}}
	return t
}

// kind names what a row of the log means.
func (r *logRow) kind() string {
	switch r.judge() {
	case meansRecord:
		return "record"
	case meansDelete:
		return "record_delete"
	case meansStructure, meansErased:
		return "manage"
	}
	return "other"
}

// logKeeper makes batches of the log.
type logKeeper struct {
	table   *extract.Table
	details bool
	seen    map[logKey]int
	rows    *extract.Rows
	hand    *extract.Handoff
	blocked *extract.Blocked
	barred  *barred
}

type logKey struct {
	at      string
	content [16]byte
}

// giveLog hands on the rows of the log since they were last stored, whole minutes only: never the present one.
func (p *pull) giveLog(ctx context.Context) error {
	if p.model.log == nil {
		return nil
	}
	now := p.wall(p.cfg.Now()).Truncate(time.Minute)
	begin, err := time.Parse(logMinute, p.reading.fresh.Logged)
	if err != nil {
		begin, err = time.Parse(time.DateTime, p.model.info["creation_time"])
	}
	if err != nil {
		begin = now.Add(-10 * 365 * 24 * time.Hour)
	}
	begin = begin.Add(-logOverlap).Truncate(time.Minute)
	k := &logKeeper{
		table: p.model.log, details: p.cfg.Options.logDetails(), hand: p.r.hand, rows: extract.NewRows(p.model.log),
		blocked: p.blocked, barred: &p.barred,
	}
	for from := begin; from.Before(now); {
		end := now.Add(-time.Minute)
		if from.Add(logHistory).Before(end) {
			end = from.Add(logHistory)
		}
		var window []logRow
		err := p.readLog(ctx, from, end, func(row *logRow) error { window = append(window, *row); return nil })
		if errors.Is(err, errNoLog) {
			p.reading.fresh.NoLog = true
			p.said = append(p.said, "the log may not be read (the Logging right is missing): redcap_log is left as stored")
			return nil
		}
		if err != nil {
			return err
		}
		if err := k.keep(window); err != nil {
			return err
		}
		from = end.Add(time.Minute)
	}
	p.reading.fresh.Logged = now.Format(logMinute)
	return k.flush()
}

// keep adds a window, oldest row first, so that the place among equals stays what it was.
func (k *logKeeper) keep(window []logRow) error {
	k.seen = map[logKey]int{}
	for i := len(window) - 1; i >= 0; i-- {
		row := &window[i]
		if k.blocked.Any() && namesBlocked(k.blocked, row) {
			k.barred.add(k.table, 1)
			continue
		}
		sum := xxh3.HashString128(row.user + "\x00" + row.action + "\x00" + row.details + "\x00" + row.record).Bytes()
		key := logKey{row.at, sum}
		k.seen[key]++
		k.add(row, key, k.seen[key])
		if k.rows.Len() >= logBatch {
			if err := k.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *logKeeper) add(row *logRow, key logKey, ordinal int) {
	k.rows.Begin()
	cells := []string{row.at + ":00", fmt.Sprintf("%x-%x-%x-%x-%x", key.content[:4], key.content[4:6], key.content[6:8], key.content[8:10], key.content[10:]), strconv.Itoa(ordinal), row.kind(), row.user, row.subject(), row.action}
	if k.details {
		cells = append(cells, row.details)
	}
	for i, c := range k.table.Columns {
		appendMeta(k.rows, c, cells[i])
	}
	k.rows.End()
}

// flush hands the rows on. They are inserted and never removed: a site prunes its log, and its deletions are no news.
func (k *logKeeper) flush() error {
	b := &extract.Batch{Rows: []*extract.Rows{k.rows}}
	k.rows = extract.NewRows(k.table)
	return k.hand.Give(b)
}
