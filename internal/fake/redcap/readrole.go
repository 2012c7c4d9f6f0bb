package redcap

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// roleOf reads a role with its rights out of a project XML, where they have the names of the database.
func roleOf(attrs []xml.Attr) Role {
	u := &User{Forms: map[string]int{}, Entry: map[string]int{}, More: map[string]int{}}
	r, cells := Role{As: u}, map[string]string{}
	for _, a := range attrs {
		cells[a.Name.Local] = a.Value
	}
	r.Label, r.Unique = cells["role_name"], cells["unique_role_name"]
	for _, x := range append(roleAttributes(), [2]string{"lock_record", "lock_records"},
		[2]string{"lock_record_multiform", "lock_records_all_forms"}, [2]string{"lock_record_customize", "lock_records_customization"}) {
		if n, err := strconv.Atoi(cells[x[0]]); err == nil && x[1] != "" {
			u.More[x[1]] = n
		}
	}
	u.APIExport, u.APIImport, u.Logging = u.More["api_export"] > 0, u.More["api_import"] > 0, u.More["logging"] > 0
	u.Design, u.DAGs, u.UserRights = u.More["design"] > 0, u.More["data_access_groups"] > 0, u.More["user_rights"] > 0
	u.FileRepository, u.SurveyTools = u.More["file_repository"] > 0, u.More["manage_survey_participants"] > 0
	readRights(u.Forms, cells["data_export_instruments"])
	readRights(u.Entry, cells["data_entry"])
	return r
}

// readRights reads [form,1][other,2].
func readRights(to map[string]int, text string) {
	for _, pair := range strings.Split(strings.Trim(text, "[]"), "][") {
		if form, code, ok := strings.Cut(pair, ","); ok {
			to[form], _ = strconv.Atoi(code)
		}
	}
}

// listed reads a list with commas.
func listed(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
