package redcap

import (
	"strings"
	"time"
)

// Kinds of log rows, as the log method's logtype parameter names them.
const (
	kindExport = "export"
	kindManage = "manage"
	kindUser   = "user"
	kindAdd    = "record_add"
	kindEdit   = "record_edit"
	kindDelete = "record_delete"
)

// logRow is one row of the project's log. Seconds are kept for the date range; the log method shows minutes only.
type logRow struct {
	at      time.Time
	user    string
	kind    string
	action  string
	details string
	record  string
	dag     int
	hidden  bool // dateRange and log no longer see it (pruned, or erased with its record)
}

// LogEntry is one log row as a test sees it.
type LogEntry struct {
	At                                    time.Time
	User, Kind, Action, Details, RecordID string
}

// writeLog appends a row at the project's present time. The lock is held.
func (p *Project) writeLog(r logRow) {
	if p.silent {
		return
	}
	if r.at.IsZero() {
		r.at = p.now()
	}
	if r.user == "" {
		r.user = "admin"
	}
	p.log = append(p.log, r)
}

// Log returns the log, oldest first.
func (p *Project) Log() []LogEntry {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := make([]LogEntry, 0, len(p.log))
	for _, r := range p.log {
		if !r.hidden {
			out = append(out, LogEntry{r.at, r.user, r.kind, r.action, r.details, r.record})
		}
	}
	return out
}

// PruneLog forgets every log row written before t, as sites do that keep a rolling window.
func (p *Project) PruneLog(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.log {
		if p.log[i].at.Before(t) {
			p.log[i].hidden = true
		}
	}
}

// changedBetween returns the names that have a create or update row between two instants, both exclusive.
func (p *Project) changedBetween(begin, end time.Time) map[string]bool {
	out := map[string]bool{}
	for _, r := range p.log {
		if r.hidden || (r.kind != kindAdd && r.kind != kindEdit) {
			continue
		}
		if !begin.IsZero() && !r.at.After(begin) {
			continue
		}
		if !end.IsZero() && !r.at.Before(end) {
			continue
		}
		out[r.record] = true
	}
	return out
}

// matches tells whether a row passes the log method's logtype filter; "" means all but page views.
func (r *logRow) matches(logtype string) bool {
	switch logtype {
	case "", r.kind:
		return true
	case "record":
		return strings.HasPrefix(r.kind, "record_")
	}
	return false
}

// logCall writes the row that every API call leaves behind.
func (p *Project) logCall(u *User, rq *Request) {
	kind, action, details := kindManage, "Manage/Design ", ""
	switch rq.Content {
	case "record", "report":
		kind, action, details = kindExport, "Data export (API) ", "Export format: "+strings.ToUpper(rq.Format)
	default:
		details = callNames()[rq.Content]
		if details == "" {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func(was bool) { p.silent = was }(p.silent)
	p.silent = false
	p.writeLog(logRow{kind: kind, user: u.Name, action: action, details: details})
}

// callNames names the API calls as the log does.
func callNames() map[string]string {
	return map[string]string{
		"version": "Export REDCap version (API)", "project": "Export project information (API)",
		"metadata": "Download data dictionary (API)", "instrument": "Export instruments (API)",
		"arm": "Export arms (API)", "event": "Export events (API)", "dag": "Export DAGs (API)",
		"formEventMapping":     "Export instrument-event mappings (API)",
		"repeatingFormsEvents": "Export repeating instruments and events (API)",
		"exportFieldNames":     "Export field names (API)", "log": "Export Logging (API)",
		"user": "Export users (API)", "userRole": "Export user roles (API)",
		"userRoleMapping": "Export user role assignments (API)", "userDagMapping": "Export user-DAG assignments (API)",
		"project_xml": "Download REDCap project XML file (API)", "file": "Download file (API)",
		"fileRepository": "Export file repository list (API)", "participantList": "Export participant list (API)",
	}
}

// serveLog answers content=log: newest first, minutes only, always comma separated.
func (c *call) serveLog() {
	if !c.atLeast(10, 8, 0) {
		c.fail(501, "The requested method is not implemented.")
		return
	}
	if !c.user.Logging {
		c.fail(400, "Insufficient user privileges: You must have 'API Export' privileges and 'Logging' privileges in the project.")
		return
	}
	begin, end := c.minute("beginTime"), c.minute("endTime")
	t := &table{columns: []string{"timestamp", "username", "action", "details", "record"}}
	if !c.atLeast(13, 0, 0) {
		t.columns = t.columns[:4]
	}
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	bound := p.dagByUnique(c.user.DAG)
	for i := len(p.log) - 1; i >= 0; i-- {
		r := &p.log[i]
		switch {
		case r.hidden, !r.matches(c.param("logtype")),
			c.param("user") != "" && r.user != c.param("user"),
			c.param("record") != "" && r.record != c.param("record"),
			bound != nil && r.dag != bound.ID,
			!begin.IsZero() && !r.at.After(begin), !end.IsZero() && !r.at.Before(end):
			continue
		}
		cells := []string{r.at.In(p.zone).Format("2006-01-02 15:04"), r.user, r.action, r.details, r.record}
		t.rows = append(t.rows, cells[:len(t.columns)])
	}
	c.reply(t)
}

// minute reads one of the log's times. One that cannot be read is ignored, as if it had not been sent.
func (c *call) minute(name string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", c.param(name), c.project.zone)
	if err != nil {
		return time.Time{}
	}
	return t
}
