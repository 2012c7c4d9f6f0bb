package redcap

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// serveDAGs answers the data access groups; refused to users bound to one.
func (c *call) serveDAGs() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case c.user.DAG != "":
		c.fail(http.StatusBadRequest, "You do not have permission to export Data Access Groups because you have been assigned to a Data Access Group.")
		return
	case !c.user.DAGs:
		c.fail(http.StatusBadRequest, noDAGRight)
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

const noDAGRight = "Insufficient user privileges: You must have 'API Export' privileges and 'Data Access Groups' privileges in the project."

func (c *call) serveUserDAGs() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.user.DAGs {
		c.fail(http.StatusBadRequest, noDAGRight)
		return
	}
	t := &table{columns: []string{"username", "redcap_data_access_group"}}
	for _, u := range p.users {
		t.rows = append(t.rows, []string{u.Name, u.DAG})
	}
	c.reply(t)
}

// mayListUsers refuses without the User Rights right.
func (c *call) mayListUsers() bool {
	if !c.user.UserRights {
		c.fail(http.StatusBadRequest, "Insufficient user privileges: You must have 'API Export' privileges and 'User Rights' privileges in the project.")
	}
	return c.user.UserRights
}

func (c *call) serveUsers() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.mayListUsers() {
		return
	}
	t := &table{columns: strings.Split("username,email,firstname,lastname,expiration,data_access_group,data_access_group_id,design,alerts,"+
		"user_rights,data_access_groups,reports,stats_and_charts,logging,file_repository,api_export,api_import,record_create,"+
		"record_rename,record_delete,forms,forms_export", ",")}
	t.numbers = map[string]bool{}
	for _, n := range t.columns[6:20] {
		t.numbers[n] = true
	}
	for _, u := range p.users {
		group := ""
		if d := p.dagByUnique(u.DAG); d != nil {
			group = strconv.Itoa(d.ID)
		}
		var forms, exports []string
		for _, f := range p.forms {
			right := "2"
			if c.atLeast(15, 6, 0) {
				right = "129"
			}
			forms = append(forms, f.Name+":"+right)
			exports = append(exports, fmt.Sprintf("%s:%d", f.Name, u.right(f.Name)))
		}
		t.rows = append(t.rows, []string{
			u.Name, u.Email, u.First, u.Last, u.Expiration, u.DAG, group, bit(u.Design), "0", bit(u.UserRights), bit(u.DAGs), "1", "1",
			bit(u.Logging), bit(u.FileRepository), bit(u.APIExport), bit(u.APIImport), "0", "0", "0",
			strings.Join(forms, ","), strings.Join(exports, ","),
		})
	}
	c.reply(t)
}

func (c *call) serveRoles() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.atLeast(11, 3, 0) {
		c.fail(http.StatusNotImplemented, "The requested method is not implemented.")
		return
	}
	if !c.mayListUsers() {
		return
	}
	t := &table{columns: []string{"unique_role_name", "role_label"}}
	for _, r := range p.roles {
		t.rows = append(t.rows, []string{r.Unique, r.Label})
	}
	c.reply(t)
}

func (c *call) serveRoleMapping() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.mayListUsers() {
		return
	}
	t := &table{columns: []string{"username", "unique_role_name"}}
	for _, u := range p.users {
		t.rows = append(t.rows, []string{u.Name, u.Role})
	}
	c.reply(t)
}

func (c *call) serveNextName() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	c.text(strconv.Itoa(p.store.count() + 1))
}
