package redcap

import (
	"fmt"
	"net/http"
	"strconv"
)

// serveDAGs answers the data access groups; refused to users bound to one.
func (c *call) serveDAGs() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if c.user.DAG != "" {
		c.fail(http.StatusBadRequest, "You do not have permission to export Data Access Groups because you have been assigned to a Data Access Group.")
		return
	}
	if !c.needs(c.user.DAGs, dagRight) {
		return
	}
	t := &table{
		columns: []string{"data_access_group_name", "unique_group_name", "data_access_group_id"},
		numbers: map[string]bool{"data_access_group_id": true},
	}
	if !c.atLeast(13, 1, 0) {
		t.columns = t.columns[:2]
	}
	for _, d := range p.dags {
		t.rows = append(t.rows, []string{d.Name, d.Unique, strconv.Itoa(d.ID)}[:len(t.columns)])
	}
	c.reply(t)
}

// What the rights are called in refusals.
const (
	dagRight    = "Data Access Groups"
	userRight   = "User Rights"
	designRight = "Project Design/Setup"
	fileRight   = "File Repository"
	surveyRight = "Survey Distribution Tools"
)

func (c *call) serveUserDAGs() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.needs(c.user.DAGs, dagRight) {
		return
	}
	t := &table{columns: []string{"username", "redcap_data_access_group"}}
	for _, u := range p.members() {
		t.rows = append(t.rows, []string{u.Name, u.DAG})
	}
	c.reply(t)
}

// serveUsers answers the users with the rights that they act under: those of their role, where they have one.
func (c *call) serveUsers() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.needs(c.user.UserRights, userRight) {
		return
	}
	label := c.atLeast(14, 6, 0)
	front := []string{"username", "email", "firstname", "lastname", "expiration", "data_access_group", "data_access_group_id"}
	if label {
		front = append(front, "data_access_group_label")
	}
	t, served := c.rightsTable(front...)
	for _, u := range p.members() {
		cells := []string{u.Name, u.Email, u.First, u.Last, u.Expiration, u.DAG, ""}
		name := ""
		if d := p.dagByUnique(u.DAG); d != nil {
			cells[6], name = strconv.Itoa(d.ID), d.Name
		}
		if label {
			cells = append(cells, name)
		}
		t.rows = append(t.rows, c.rights(cells, served, p.acting(u)))
	}
	c.reply(t)
}

func (c *call) serveRoles() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.has(11, 3, 0) || !c.needs(c.user.UserRights, userRight) {
		return
	}
	t, served := c.rightsTable("unique_role_name", "role_label")
	for _, r := range p.roles {
		u := r.As
		if u == nil {
			u = &User{}
		}
		t.rows = append(t.rows, c.rights([]string{r.Unique, r.Label}, served, u))
	}
	c.reply(t)
}

// serveRoleMapping answers who has which role. Users without one are in it with an empty role, as was recorded.
func (c *call) serveRoleMapping() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.has(11, 3, 0) || !c.needs(c.user.UserRights, userRight) {
		return
	}
	t := &table{columns: []string{"username", "unique_role_name", "data_access_group"}}
	if !c.atLeast(14, 6, 0) {
		t.columns = t.columns[:2]
	}
	for _, u := range p.members() {
		t.rows = append(t.rows, []string{u.Name, u.Role, u.DAG}[:len(t.columns)])
	}
	c.reply(t)
}

// serveNextName answers a name that is free; for a user in a group it begins with the group's id.
func (c *call) serveNextName() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	prefix := ""
	if d := p.dagByUnique(c.user.DAG); d != nil {
		prefix = fmt.Sprintf("%d-", d.ID)
	}
	n := 1
	if prefix == "" {
		n += p.store.count()
	}
	for ; p.store.get(prefix+strconv.Itoa(n)) != nil; n++ {
	}
	c.text(prefix + strconv.Itoa(n))
}
