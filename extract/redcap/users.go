package redcap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"syncd/extract"
)

// userTable is one list about users, as it came.
type userTable struct {
	table   *extract.Table
	content string
	key     string
	right   string
	since   [2]int // first version that has the method
	rows    []metaRow
	held    bool // it may not be read: the table stays as it is stored
}

// users pulls users, roles and who belongs to what (reference 3.2, 3.16, 3.17). The columns come and go with almost every
// version: those that stay are columns here, the others stand in _extra under the server's names.
type users struct{ list []*userTable }

const (
	userRight  = "User Rights"
	groupRight = "Data Access Groups"
)

func newUsers() *users {
	person := []metaColumn{
		{"*username", txt},
		{"email", txt},
		{"firstname", txt},
		{"lastname", txt},
		{"expiration", extract.Date},
		{"data_access_group", txt},
		{"data_access_group_id", num},
	}
	role := []metaColumn{{"*unique_role_name", txt}, {"role_label", txt}}
	return &users{[]*userTable{
		{content: "user", key: "username", right: userRight, table: rightsTable("redcap_user", "Users of the project and their rights; where a user has a role its rights are shown", person)},
		{content: "userRole", key: "unique_role_name", right: userRight, since: [2]int{11, 3}, table: rightsTable("redcap_user_role", "User roles and their rights", role)},
		{content: "userRoleMapping", key: "username", right: userRight, since: [2]int{11, 3}, table: metaTableOf("redcap_user_role_assignment",
			"Which role a user has; NULL where none", metaColumn{"*username", txt}, metaColumn{"unique_role_name", txt}, metaColumn{"data_access_group", txt})},
		{content: "userDagMapping", key: "username", right: groupRight, table: metaTableOf("redcap_user_dag",
			"Which data access group a user is in; NULL where none", metaColumn{"*username", txt}, metaColumn{"redcap_data_access_group", txt})},
	}}
}

// rightsTable describes users or roles: who it is, then the rights that every version has, as the server codes them.
func rightsTable(name, comment string, who []metaColumn) *extract.Table {
	columns := who
	for _, right := range [...]string{
		"design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts", "manage_survey_participants", "calendar",
		"data_import_tool", "data_comparison_tool", "logging", "file_repository", "data_quality_create", "data_quality_execute",
		"api_export", "api_import", "mobile_app", "mobile_app_download_data", "record_create", "record_rename", "record_delete",
		"lock_records_all_forms", "lock_records", "lock_records_customization",
	} {
		columns = append(columns, metaColumn{right, num})
	}
	t := metaTableOf(name, comment, append(columns, metaColumn{"forms", extract.JSONB}, metaColumn{"forms_export", extract.JSONB})...)
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.Name {
		case "forms":
			c.Comment = "Right to each instrument: 0 none, 1 edit, 2 read, 3 edit survey responses; since 15.6 bits: 128 none, 129 read, 130 edit, +8 survey responses, +16 delete"
		case "forms_export":
			c.Comment = "Export right to each instrument: 0 none, 1 full, 2 de-identified, 3 without identifiers"
		case "email", "firstname", "lastname":
			c.Identifier = true
		}
	}
	return t
}

// describe reads the lists, which are short, and tells when the token's user is about to expire.
func (u *users) describe(ctx context.Context, s *Source, p *snapshot) error {
	for _, t := range u.list {
		err := t.read(ctx, s, p)
		if err != nil && !refused(err) {
			return err
		}
		if t.held = err != nil; t.held {
			p.warn("%s was not read: %s; it is left as stored", t.table.Name, why(err, t.right))
		}
	}
	u.warnOfExpiry(s, p)
	return nil
}

func (t *userTable) read(ctx context.Context, s *Source, p *snapshot) error {
	if !p.atLeast(t.since[0], t.since[1]) {
		return &extract.Error{Kind: extract.KindRefused, What: "export " + t.content, Where: s.cfg.Server, Cause: errContent}
	}
	t.rows = nil
	q := question{what: "export " + t.content, resource: t.content, content: t.content}
	err := s.askList(ctx, q, func(o map[string]string) error {
		if o[t.key] == "" {
			return errors.New("an entry without a name")
		}
		for _, name := range [...]string{"forms", "forms_export"} {
			o[name] = formRights(o[name])
		}
		t.rows = append(t.rows, take(t.table, o))
		return nil
	}, t.key)
	if err == nil && len(t.rows) == 0 && t.content == "user" {
		return s.emptyList(t.content)
	}
	return err
}

// formRights makes JSON of the rights to instruments, which come as an object, or as "form:code,form:code". What is neither
// is left as it is, and does not fit.
func formRights(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '{' {
		return text
	}
	if text == "[]" { // PHP's empty object
		return "{}"
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for pair := range strings.SplitSeq(text, ",") {
		form, code, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok || form == "" {
			return text
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(form) // a string is always one
		out.Write(name)
		out.WriteByte(':')
		if _, err := strconv.Atoi(code); err == nil {
			out.WriteString(code)
			continue
		}
		word, _ := json.Marshal(code)
		out.Write(word)
	}
	out.WriteByte('}')
	return out.String()
}

func (u *users) tables() []*extract.Table {
	var tables []*extract.Table
	for _, t := range u.list {
		tables = append(tables, t.table)
	}
	return tables
}

func (u *users) give(_ context.Context, _ *Source, hand *extract.Handoff, _ news) error {
	for _, t := range u.list {
		if t.held {
			continue
		}
		if err := hand.Give(wholeTable(t.table, t.rows, "gone from the project's users")); err != nil {
			return err
		}
	}
	return nil
}

// expiryDays is how long before the end of its user's access a token is warned of.
const expiryDays = 30

// warnOfExpiry tells when the token's user is about to lose access: where the log told who it is, or only one user may export
// by the API.
func (u *users) warnOfExpiry(s *Source, p *snapshot) {
	list := u.list[0]
	if list.held {
		return
	}
	at := func(name string) int {
		for i, c := range list.table.Columns {
			if c.Name == name {
				return i
			}
		}
		return -1
	}
	expiration, may := at("expiration"), at("api_export")
	var own []metaRow
	for _, row := range list.rows {
		known := s.reading.fresh.User
		if known != "" && row.cells[0] == known || known == "" && row.cells[may] == "1" {
			own = append(own, row)
		}
	}
	if len(own) != 1 {
		return
	}
	day := own[0].cells[expiration]
	end, err := time.Parse(time.DateOnly, day[:min(len(day), len(time.DateOnly))])
	if err != nil {
		return
	}
	p.accessEnds = time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, s.cfg.Zone)
	today := s.wall(s.cfg.Now()).Truncate(24 * time.Hour)
	switch days := int(end.Sub(today) / (24 * time.Hour)); {
	case days < 0, days > expiryDays:
	case days == 1:
		p.warn("the token's user expires in 1 day, on %s", end.Format(time.DateOnly))
	default:
		p.warn("the token's user expires in %d days, on %s", days, end.Format(time.DateOnly))
	}
}
