package redcap

import (
	"fmt"
	"slices"
)

// AddDAG adds a data access group and returns its unique name.
func (p *Project) AddDAG(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.addDAG(name)
	p.manage("Create data access group", "")
	return d.Unique
}

// RenameDAG renames a group, which changes its unique name; users stay bound to it.
func (p *Project) RenameDAG(unique, name string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.dags, func(d DAG) bool { return d.Unique == unique })
	if at < 0 {
		return "", fmt.Errorf("rename group %s: there is none", unique)
	}
	id, next := p.dags[at].ID, p.nextDAG
	fresh := *p.addDAG(name)
	p.dags = slices.Clone(p.dags[:len(p.dags)-1])
	fresh.ID, p.nextDAG = id, next
	p.dags[at] = fresh
	for _, u := range p.users {
		if u.DAG == unique {
			u.DAG = fresh.Unique
		}
	}
	p.manage("Rename data access group", "")
	return fresh.Unique, nil
}

// RemoveDAG deletes a group. Its records and users are in no group any more, and the log shows neither.
func (p *Project) RemoveDAG(unique string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.dagByUnique(unique)
	if d == nil {
		return fmt.Errorf("remove group %s: there is none", unique)
	}
	p.dags = slices.DeleteFunc(slices.Clone(p.dags), func(x DAG) bool { return x.Unique == unique })
	for _, u := range p.users {
		if u.DAG == unique {
			u.DAG = ""
		}
	}
	p.manage("Delete data access group", "")
	return nil
}

// renameRights takes everybody's rights to an instrument along.
func (p *Project) renameRights(old, name string) {
	all := slices.Clone(p.users)
	for _, r := range p.roles {
		if r.As != nil {
			all = append(all, r.As)
		}
	}
	for _, u := range all {
		for _, rights := range []map[string]int{u.Forms, u.Entry} {
			if right, ok := rights[old]; ok {
				delete(rights, old)
				rights[name] = right
			}
		}
	}
}

// SetGroup moves a record into a data access group, by its unique name; "" takes it out. The log shows it as a matter of design that names the
// record, and the date range does not see it.
func (p *Project) SetGroup(record, group string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec, d := p.store.get(record), p.dagByUnique(group)
	if rec == nil || (d == nil && group != "") {
		return fmt.Errorf("set group of record %s: no such record or group", record)
	}
	rec = rec.clone()
	rec.dag = 0
	if d != nil {
		rec.dag = d.ID
	}
	p.store.put(rec)
	p.writeLog(logRow{
		kind: kindManage, action: "Manage/Design ", record: record, dag: rec.dag,
		details: "Assign record to Data Access Group (redcap_data_access_group = '" + group + "')",
	})
	return nil
}
