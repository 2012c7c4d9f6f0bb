package redcap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"syncd/extract"
	"syncd/extract/upstream"
)

// The log method tells minutes of the server's clock (reference 7).
const (
	logMinute  = "2006-01-02 15:04"
	logSecond  = time.DateTime
	logBytes   = 1 << 30 // of one answer, read as it comes
	leastSpan  = time.Hour
	logHistory = 90 * 24 * time.Hour // one question of a first reading
)

// logRow is one row of a project's log.
type logRow struct{ at, user, action, details, record string }

// meaning is what a row of the log means for a mirror.
type meaning uint8

const (
	meansNothing   meaning = iota
	meansRecord            // a record was written
	meansDelete            // a record, or a part of it, was deleted
	meansStructure         // the project or who may see what of it was changed
	meansErased            // everything is gone
)

// judge says what a row means. What is not known is taken for a change of structure, which costs a few requests and
// loses nothing.
func (r *logRow) judge() meaning {
	action, details := strings.ToLower(strings.TrimSpace(r.action)), strings.ToLower(strings.TrimSpace(r.details))
	switch {
	case strings.HasPrefix(action, "manage/design"):
		switch {
		case strings.Contains(details, "erase all data"):
			return meansErased
		case strings.HasPrefix(details, "assign record to data access group"), strings.HasPrefix(details, "remove record from data access group"):
			return meansRecord
		case strings.HasPrefix(details, "export "), strings.HasPrefix(details, "download "), strings.HasPrefix(details, "data export"):
			return meansNothing
		}
		return meansStructure
	case strings.HasPrefix(action, "data export"), strings.HasPrefix(action, "page view"), strings.HasPrefix(action, "lock"), strings.HasPrefix(action, "unlock"):
		return meansNothing
	case strings.HasPrefix(action, "delete record"):
		return meansDelete
	case hasAny(action, "create record", "update record", "create response", "update response", "uploaded document", "deleted document"):
		return meansRecord
	}
	return meansStructure
}

func hasAny(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// upload reports whether the row says that a file of the record was put or taken away.
func (r *logRow) upload() bool {
	return hasAny(strings.ToLower(strings.TrimSpace(r.action)), "uploaded document", "deleted document")
}

// subject is the record that the row is about. Servers before 13 have it in the action's words only.
func (r *logRow) subject() string {
	if r.record != "" {
		return r.record
	}
	rest := strings.TrimSpace(r.action)
	for _, verb := range []string{"Create", "Update", "Delete", "Uploaded", "Deleted"} {
		after, ok := strings.CutPrefix(rest, verb+" ")
		if !ok {
			continue
		}
		for _, noun := range []string{"record ", "Record ", "Response ", "response ", "Document "} {
			if name, ok := strings.CutPrefix(after, noun); ok {
				return strings.TrimSpace(withoutWay(name))
			}
		}
	}
	return ""
}

// withoutWay takes off how a record was written: "(API) 5", "(import) 5", "(Auto calculation) 5".
func withoutWay(name string) string {
	if strings.HasPrefix(name, "(") {
		if _, rest, ok := strings.Cut(name, ") "); ok {
			return rest
		}
	}
	return name
}

// renames reports whether the row may be that of a record which got this name: its details name the record-id field.
func (r *logRow) renames(idField string) bool {
	_, text := instanceOf(r.details)
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.action)), "update record") && strings.HasPrefix(text, idField+" = '")
}

// instanceOf parts the "[instance = 2]" in front of details from the rest.
func instanceOf(details string) (prefix, rest string) {
	if strings.HasPrefix(details, "[") {
		if i := strings.Index(details, "]"); i > 0 {
			return details[:i+1], strings.TrimLeft(details[i+1:], " ,")
		}
	}
	return "", details
}

// errNoLog says that the log may not be read.
var errNoLog = errors.New("the log may not be read")

// readLog calls yield with the rows of a window of the server's clock, newest first within each question. A window that
// is too wide for the server is halved. begin and end are minutes that belong to the window; a zero end is now.
func (s *Source) readLog(ctx context.Context, begin, end time.Time, yield func(*logRow) error) error {
	q := question{what: "export log", resource: "log", content: "log", maxBody: logBytes}
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	var body params
	body.add("token", token)
	for _, kv := range [][2]string{{"content", "log"}, {"format", "json"}, {"returnFormat", "json"}} {
		body.add(kv[0], kv[1])
	}
	body.add("beginTime", begin.Add(-time.Minute).Format(logMinute)) // both ends are said to be exclusive: a minute more
	if !end.IsZero() {
		body.add("endTime", end.Add(time.Minute).Format(logMinute))
	}
	var rows []logRow
	request := upstream.Request{Resource: q.resource, Body: body.text, MaxBody: q.maxBody, Tries: 2}
	err = s.cfg.Client.Do(ctx, request, func(r *upstream.Response) error {
		rows = rows[:0]
		return readLogRows(r.Body, func(row logRow) { rows = append(rows, row) })
	})
	if err == nil {
		for i := range rows {
			if at := rows[i].at; at >= begin.Format(logMinute) && (end.IsZero() || at <= end.Format(logMinute)) {
				if err := yield(&rows[i]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err = s.explain(q, err)
	kind := extract.KindOf(err)
	switch {
	case ctx.Err() != nil:
		return err
	case kind == extract.KindRights, errors.Is(err, errContent):
		return fmt.Errorf("%w: %w", errNoLog, err)
	case kind != extract.KindTooLarge && !(kind == extract.KindTransient && sizeMatters(err)):
		return err
	}
	last := end
	if last.IsZero() {
		last = s.wall(s.cfg.Now())
	}
	if last.Sub(begin) < 2*leastSpan {
		return err
	}
	middle := begin.Add(last.Sub(begin) / 2).Truncate(time.Minute)
	if err := s.readLog(ctx, middle.Add(time.Minute), end, yield); err != nil {
		return err
	}
	return s.readLog(ctx, begin, middle, yield)
}

// readLogRows reads a JSON list of rows as it comes in.
func readLogRows(r io.Reader, yield func(logRow)) error {
	body := &headed{from: r}
	head, err := body.head()
	if err != nil {
		return err
	}
	checked, fault := checkBody(head)
	if fault != nil {
		return retryBlank(fault)
	}
	err = eachObjectOf(body.rest(checked), func(o map[string]string) error {
		at := o["timestamp"]
		if len(at) > len(logMinute) {
			at = at[:len(logMinute)]
		}
		if _, err := time.Parse(logMinute, at); err != nil {
			return errors.New("a row without a time")
		}
		yield(logRow{at: at, user: o["username"], action: o["action"], details: o["details"], record: o["record"]})
		return nil
	})
	if err != nil {
		return errorText(checked, fmt.Errorf("%w: %w", errWrongAnswer, err))
	}
	return nil
}

// wall is the server's wall clock at an instant of ours, as a time whose zone says nothing: that of the clock's face.
func (s *Source) wall(at time.Time) time.Time { return face(s.serverTime(at).In(s.cfg.Zone)) }

// face drops the zone of a time and keeps what its clock shows.
func face(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// earliest is what a server's clock shows at least at any moment from an instant on: where the clock is set back within
// the hours that follow, what it shows then. Logs are compared by what clocks showed.
func earliest(from time.Time, zone *time.Location) time.Time {
	least := face(from.In(zone))
	for hour := time.Duration(0); hour <= 26*time.Hour; hour += 15 * time.Minute {
		at := from.Add(hour)
		if shown := face(at.In(zone)); shown.Before(least) {
			least = shown
		}
	}
	return least
}
