package redcap

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// rightColumn is one column of users and roles. The list as a whole was recorded of 17.0.3; of older versions it is
// known that columns come and go nearly every minor version, and exactly when only for some: forms_export in place of
// data_export (12), api_modules and others (14.6), random_* (14.7). The other bounds are this server's choice.
type rightColumn struct {
	name         string
	since, until [3]int             // until is the first version without it
	value        func(u *User) bool // nil: what More says, else 0
}

func rightColumns() []rightColumn {
	read := func(name string, value func(u *User) bool) rightColumn { return rightColumn{name: name, value: value} }
	from := func(name string, major, minor int) rightColumn {
		return rightColumn{name: name, since: [3]int{major, minor, 0}}
	}
	plain := func(name string) rightColumn { return rightColumn{name: name} }
	return []rightColumn{
		read("design", func(u *User) bool { return u.Design }), from("alerts", 12, 0),
		read("user_rights", func(u *User) bool { return u.UserRights }), read("data_access_groups", func(u *User) bool { return u.DAGs }),
		{name: "data_export", until: [3]int{12, 0, 0}},
		plain("reports"), plain("stats_and_charts"),
		read("manage_survey_participants", func(u *User) bool { return u.SurveyTools }), plain("calendar"), plain("data_import_tool"),
		plain("data_comparison_tool"), read("logging", func(u *User) bool { return u.Logging }), from("email_logging", 13, 0),
		read("file_repository", func(u *User) bool { return u.FileRepository }), plain("data_quality_create"),
		plain("data_quality_execute"), from("data_quality_resolution", 14, 6), read("api_export", func(u *User) bool { return u.APIExport }),
		read("api_import", func(u *User) bool { return u.APIImport }), from("api_modules", 14, 6), plain("mobile_app"),
		plain("mobile_app_download_data"), plain("record_create"), plain("record_rename"), plain("record_delete"),
		plain("lock_records_all_forms"), plain("lock_records"), plain("lock_records_customization"), from("random_setup", 14, 7),
		from("random_dashboard", 14, 7), from("random_perform", 14, 7), from("mycap_participants", 13, 0),
	}
}

// serves tells whether a version has the column.
func (rc *rightColumn) serves(v release) bool {
	at := func(x [3]int) bool { return v.atLeast(x[0], x[1], x[2]) }
	return at(rc.since) && (rc.until == [3]int{} || !at(rc.until))
}

// cell is the column's value for a user.
func (rc *rightColumn) cell(p *Project, u *User) string {
	if n, ok := u.More[rc.name]; ok {
		return strconv.Itoa(n)
	}
	if rc.name == "data_export" {
		return strconv.Itoa(p.exportOfAll(u))
	}
	return bit(rc.value != nil && rc.value(u))
}

// exportOfAll is the one export right of versions before 12: the least that any instrument has.
func (p *Project) exportOfAll(u *User) int {
	order := []int{ExportNone, ExportDeidentified, ExportWithoutIdentifer, ExportFull}
	least := len(order) - 1
	for _, f := range p.forms {
		least = min(least, max(0, slices.Index(order, u.right(f.Name))))
	}
	return order[least]
}

// rightsTable starts a table of users or roles: columns in front, then the rights of the version, numbers all of them.
func (c *call) rightsTable(front ...string) (*table, []rightColumn) {
	t := &table{columns: front, numbers: map[string]bool{"data_access_group_id": true}, nested: map[string]bool{"forms": true, "forms_export": true}}
	served := slices.DeleteFunc(rightColumns(), func(rc rightColumn) bool { return !rc.serves(c.version) })
	for _, rc := range served {
		t.columns = append(t.columns, rc.name)
		t.numbers[rc.name] = true
	}
	t.columns = append(t.columns, "forms")
	if c.atLeast(12, 0, 0) {
		t.columns = append(t.columns, "forms_export")
	}
	return t, served
}

// rights are the cells behind those in front.
func (c *call) rights(front []string, served []rightColumn, u *User) []string {
	p := c.project
	out := front
	for i := range served {
		out = append(out, served[i].cell(p, u))
	}
	var forms, exports []string
	for _, name := range p.formsOf(u) {
		forms = append(forms, name+":"+strconv.Itoa(u.entry(name, c.atLeast(15, 6, 0))))
		exports = append(exports, name+":"+strconv.Itoa(u.right(name)))
	}
	out = append(out, strings.Join(forms, ","))
	if c.atLeast(12, 0, 0) {
		out = append(out, strings.Join(exports, ","))
	}
	return out
}

// formsOf are the instruments that a user's rights name: those of the project, then those deleted long ago whose
// rights nobody took away.
func (p *Project) formsOf(u *User) []string {
	var out []string
	for _, f := range p.forms {
		out = append(out, f.Name)
	}
	for _, set := range []map[string]int{u.Forms, u.Entry} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}
