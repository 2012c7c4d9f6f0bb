package redcap

import (
	"context"
	"errors"
	"time"

	"syncd/extract"
)

// newsroom is what the log told about a time since the last good run.
type newsroom struct {
	named     *extract.KeySet   // records that were written or deleted
	deleted   map[string]bool   // of those, with a row that says deleted
	renamed   map[string]bool   // of those, perhaps a new name
	uploads   map[string]string // of those, with a file put or taken away: the last minute
	structure bool
	erased    bool
}

// mostHints bounds what is remembered of single records beside their names.
const mostHints = 100_000

// lookAtLog reads what happened since the last good run, where the log may be read. A server that refused it once is asked
// again by full runs only.
func (s *Source) lookAtLog(ctx context.Context, full bool) error {
	r := &s.reading
	r.fresh.NoLog, r.fresh.Logged = r.known.NoLog, r.known.Logged
	if r.fresh.Token == r.known.Token {
		r.fresh.User = r.known.User
	}
	if r.mark.IsZero() || r.known.NoLog && !full && !r.wary {
		return nil
	}
	room := &newsroom{named: new(extract.KeySet), deleted: map[string]bool{}, renamed: map[string]bool{}, uploads: map[string]string{}}
	own := ownCalls{since: s.wall(s.began).Add(-time.Minute).Format(logMinute)}
	idField := r.known.Field
	err := s.readLog(ctx, earliest(r.mark, s.cfg.Zone).Truncate(time.Minute), time.Time{}, func(row *logRow) error {
		own.add(row)
		room.add(row, idField)
		return nil
	})
	switch kind := extract.KindOf(err); {
	case errors.Is(err, errNoLog):
		r.fresh.NoLog = true
		return nil
	case err != nil && ctx.Err() == nil && (kind == extract.KindGarbled || kind == extract.KindTooLarge || kind == extract.KindRefused):
		s.said = append(s.said, "the log could not be read this time: the structure was compared instead, and changes were taken from dates and lists")
		return nil
	}
	if err != nil {
		return err
	}
	r.fresh.NoLog = false
	room.named.Sort()
	r.told = room
	if own.user != "" {
		r.fresh.User = own.user
	}
	return nil
}

func (n *newsroom) add(row *logRow, idField string) {
	what := row.judge()
	switch what {
	case meansNothing:
		return
	case meansErased:
		n.erased, n.structure = true, true
		return
	case meansStructure:
		n.structure = true
		return
	}
	id := row.subject()
	if id == "" || !storable([]byte(id)) || len(id) > keyBytes {
		return // the list of ids tells
	}
	n.named.Add(id)
	if len(n.deleted)+len(n.renamed)+len(n.uploads) > mostHints {
		return
	}
	switch {
	case what == meansDelete:
		n.deleted[id] = true
	case row.renames(idField):
		n.renamed[id] = true
	case row.upload():
		n.uploads[id] = max(n.uploads[id], row.at)
	}
}

// uploaded is when the log last told of a file of the record, and empty where it did not. Where it told of more than is
// remembered, any record that it named may have had one, at any time.
func (n *newsroom) uploaded(id string) string {
	if at, ok := n.uploads[id]; ok || len(n.deleted)+len(n.renamed)+len(n.uploads) <= mostHints || !n.named.Has(id) {
		return at
	}
	return "9999"
}

// ownCalls finds the user behind the token by the newest row that a call such as the run's own first one left.
type ownCalls struct {
	since string // minute
	user  string
}

func (o *ownCalls) add(row *logRow) {
	if o.user == "" && row.at >= o.since && row.details == "Export project information (API)" {
		o.user = row.user // rows come newest first
	}
}

// changedIDs asks which records have a change in the project's log since the mark (reference 8.1). They are names only.
func (s *Source) changedIDs(ctx context.Context) (*extract.KeySet, error) {
	ids := new(extract.KeySet)
	since := earliest(s.reading.mark, s.cfg.Zone).Add(-time.Second).Format(logSecond)
	err := s.streamIDs(ctx, s.model.snapshot, listing{since: since}, func() { ids = new(extract.KeySet) }, func(row *idRow) bool {
		if n := ids.Len(); (n == 0 || ids.At(n-1) != string(row.id)) && storable(row.id) && len(row.id) > 0 && len(row.id) <= keyBytes {
			ids.Add(string(row.id))
		}
		return true
	})
	ids.Sort()
	return ids, err
}
