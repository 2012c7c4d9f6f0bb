package redcap

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// Report is one report. An export has its fields in their order here, behind the columns that name the row; the record
// id only if it is among them.
type Report struct {
	ID     int    // made if it is 0
	Unique string // R- and ten characters; made if it is empty
	Title  string
	Fields []string // names of fields and of forms' _complete
	Events []string // unique names that it is limited to; none: all
	Logic  string   // as a record export's filterLogic
	DAGs   bool     // has the group column
	Survey bool     // has timestamps and the survey identifier
	Users  []string // who may read it; nil: everybody with access to the project
}

// AddReport adds a report and returns its id.
func (p *Project) AddReport(r Report) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.ID == 0 {
		r.ID = p.info.ID*10 + 1
		for _, x := range p.reports {
			r.ID = max(r.ID, x.ID+1)
		}
	}
	if r.Unique == "" {
		sum := sha256.Sum256([]byte(fmt.Sprint("report ", p.info.ID, r.ID)))
		r.Unique = "R-" + base32.StdEncoding.EncodeToString(sum[:])[:10]
	}
	p.reports = append(p.reports, r)
	p.manage("Create report", "")
	return r.ID
}

// ChangeReport edits a report.
func (p *Project) ChangeReport(id int, change func(*Report)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.report(id)
	if r == nil {
		return fmt.Errorf("change report %d: there is none", id)
	}
	change(r)
	r.ID = id
	p.manage("Edit report", "")
	return nil
}

// RemoveReport deletes a report.
func (p *Project) RemoveReport(id int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.report(id) == nil {
		return fmt.Errorf("remove report %d: there is none", id)
	}
	p.reports = slices.DeleteFunc(slices.Clone(p.reports), func(r Report) bool { return r.ID == id })
	p.manage("Delete report", "")
	return nil
}

func (p *Project) report(id int) *Report {
	for i := range p.reports {
		if p.reports[i].ID == id {
			return &p.reports[i]
		}
	}
	return nil
}

// serveReport answers content=report: flat rows of the report's fields. What the report names and the dictionary does
// not have any more is left out, as are records of other groups and instruments that the user may not see.
func (c *call) serveReport() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	id, err := strconv.Atoi(c.param("report_id"))
	r := p.report(id)
	if err != nil || r == nil {
		c.refuse("report_id", []string{c.param("report_id")})
		return
	}
	if r.Users != nil && !slices.Contains(r.Users, c.user.Name) {
		c.fail(http.StatusForbidden, "You do not have permission to view this report")
		return
	}
	w := wish{
		fields: map[string]bool{}, forms: map[string]bool{}, logic: r.Logic, report: fmt.Sprint(r.ID), surveys: r.Survey,
		groups: r.DAGs && c.user.DAGs, order: map[string]int{},
	}
	for i, name := range r.Fields {
		w.fields[name], w.order[name] = true, i
	}
	for _, name := range r.Events {
		if p.event(name) != nil {
			w.events = append(w.events, name)
		}
	}
	c.export(w)
}
