package redcap

import (
	"net/http"
	"strconv"
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
	kindLock   = "lock_record"
	kindPage   = "page_view"
)

// wallLayout is how the server's log stores a time: local wall clock, without a zone. In the hour that is repeated
// when daylight saving ends, later rows can have smaller texts.
const wallLayout = "20060102150405"

// logRow is one row of the project's log. Its time is text of the server's wall clock, and text is what the date
// range and the log method compare; the log method shows minutes only.
type logRow struct {
	at      time.Time
	wall    string
	user    string
	kind    string
	action  string
	details string
	record  string
	dag     int
	hidden  bool // dateRange and log no longer see it (pruned, or erased with its record)
	change  bool // the date range counts it: a record was created or updated
}

// LogEntry is one log row as a test sees it; Local is the text that is compared: YYYYMMDDHHMMSS of the server's zone.
type LogEntry struct {
	At                                    time.Time
	Local                                 string
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
	r.wall = r.at.In(p.zone).Format(wallLayout)
	r.change = changes(r.kind, r.action)
	p.log = append(p.log, r)
}

// changes tells whether the date range counts a row: records and survey responses that were created or updated, by
// whatever way. Documents, locks, deletions, groups and the design do not count.
func changes(kind, action string) bool {
	if kind != kindAdd && kind != kindEdit {
		return false
	}
	for _, verb := range []string{"Create record ", "Update record ", "Create Response ", "Update Response "} {
		if strings.HasPrefix(action, verb) {
			return true
		}
	}
	return false
}

// Log returns the log, oldest first.
func (p *Project) Log() []LogEntry {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := make([]LogEntry, 0, len(p.log))
	for _, r := range p.log {
		if !r.hidden {
			out = append(out, LogEntry{r.at, r.wall, r.user, r.kind, r.action, r.details, r.record})
		}
	}
	return out
}

// PruneLog forgets every log row written before t, as sites do that keep a rolling window.
func (p *Project) PruneLog(t time.Time) {
	p.hide(func(r *logRow) bool { return r.at.Before(t) })
}

// hide makes log rows vanish from the log and from the date range.
func (p *Project) hide(which func(*logRow) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.log {
		if which(&p.log[i]) {
			p.log[i].hidden = true
		}
	}
}

// rezone gives the log the texts of another zone, for rows written before a server took the project.
func (p *Project) rezone() {
	for i := range p.log {
		p.log[i].wall = p.log[i].at.In(p.zone).Format(wallLayout)
	}
}

// changedBetween returns the names that have a create or update row between two wall-clock texts, both exclusive; ""
// leaves a side open.
func (p *Project) changedBetween(begin, end string) map[string]bool {
	out := map[string]bool{}
	for i := range p.log {
		r := &p.log[i]
		if r.change && !r.hidden && r.wall > begin && (end == "" || r.wall < end) {
			out[r.record] = true
		}
	}
	return out
}

// matches tells whether a row passes the log method's logtype filter; "" means all but page views.
func (r *logRow) matches(logtype string) bool {
	switch logtype {
	case "":
		return r.kind != kindPage
	case "record":
		return strings.HasPrefix(r.kind, "record_")
	}
	return r.kind == logtype
}

// logCall writes the row that every API call leaves behind.
func (p *Project) logCall(u *User, rq *Request) {
	kind, action, details := kindManage, "Manage/Design ", ""
	switch rq.Content {
	case "record":
		kind, action, details = kindExport, "Data export (API) ", "Export format: "+strings.ToUpper(rq.Format)
	case "report":
		kind, action, details = kindExport, "Data export (API) ", "report_id: "+rq.Params.Get("report_id")+", export format: "+strings.ToUpper(rq.Format)
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
		"generateNextRecordName": "Generate next record name (API)",
	}
}

// serveLog answers content=log: newest first, minutes only, always comma separated.
func (c *call) serveLog() {
	switch {
	case !c.has(10, 8, 0), !c.needs(c.user.Logging, "Logging"):
		return
	}
	begin, end := c.minute("beginTime"), c.minute("endTime")
	length := len(wallLayout)
	if c.s.o.LogBounds == LogMinutes {
		length = len("200601021504")
	}
	begin, end = begin[:min(length, len(begin))], end[:min(length, len(end))]
	t := &table{columns: []string{"timestamp", "username", "action", "details", "record"}}
	if !c.atLeast(13, 0, 0) {
		t.columns = t.columns[:4]
	}
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	group, _ := strconv.Atoi(c.param("dag"))
	if bound := p.dagByUnique(c.user.DAG); bound != nil {
		group = bound.ID
	}
	logtype, user, record := c.param("logtype"), c.param("user"), c.param("record")
	for i := len(p.log) - 1; i >= 0; i-- {
		r := &p.log[i]
		wall := r.wall[:length]
		switch {
		case r.hidden, !r.matches(logtype), user != "" && r.user != user, record != "" && r.record != record,
			group != 0 && r.dag != group, wall <= begin, end != "" && wall >= end:
			continue
		}
		cells := []string{minuteOf(r.wall), r.user, r.action, r.details, r.record}
		t.rows = append(t.rows, cells[:len(t.columns)])
	}
	c.reply(t)
}

// minuteOf is how the log method shows a stored time: YYYY-MM-DD HH:MM.
func minuteOf(wall string) string {
	return wall[:4] + "-" + wall[4:6] + "-" + wall[6:8] + " " + wall[8:10] + ":" + wall[10:12]
}

// minute reads one of the log's times as wall-clock text. One that cannot be read is ignored, as if it had not been sent.
func (c *call) minute(name string) string {
	t, err := time.Parse("2006-01-02 15:04", c.param(name))
	if err != nil {
		return ""
	}
	return t.Format(wallLayout)
}

// needs refuses a call whose user lacks a right beside API Export.
func (c *call) needs(right bool, name string) bool {
	if !right {
		c.fail(http.StatusBadRequest, "Insufficient user privileges: You must have 'API Export' privileges and '"+name+"' privileges in the project.")
	}
	return right
}

// has refuses a method that came with a later version.
func (c *call) has(major, minor, patch int) bool {
	there := c.atLeast(major, minor, patch)
	if !there {
		c.fail(http.StatusNotImplemented, "The requested method is not implemented.")
	}
	return there
}
