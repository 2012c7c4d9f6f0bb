package redcap

import (
	"net/url"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func TestRecordedUsersAreStoredCellByCell(t *testing.T) {
	t.Parallel()
	numbers := []string{"design", "alerts", "user_rights", "data_access_groups", "reports", "stats_and_charts", "logging", "api_export", "record_create"}
	zero := func(row map[string]string, columns ...string) map[string]string {
		for _, c := range columns {
			row[c] = "0"
		}
		return row
	}
	rest := []string{
		"design", "alerts", "stats_and_charts", "manage_survey_participants", "calendar", "data_import_tool", "data_comparison_tool", "file_repository",
		"data_quality_create", "data_quality_execute", "api_import", "mobile_app", "mobile_app_download_data", "record_create", "record_rename", "record_delete",
		"lock_records_all_forms", "lock_records", "lock_records_customization",
	}
	for file, want := range map[string]map[string]string{
		"redcapr-users/users-with-dag.csv": zero(map[string]string{
			"username": "unittestphifree", "firstname": "Unit Test", "lastname": "Phi Free", "data_access_group": "daga",
			"user_rights": "2", "data_access_groups": "0", "reports": "0", "logging": "0", "api_export": "1", "forms_export": `{"demographics": 1}`,
			"2:data_access_group_label": "dag-a", "2:email_logging": "0", "2:api_modules": "0", "stats_and_charts": "0", "manage_survey_participants": "1",
		}, "design", "alerts", "calendar", "data_import_tool", "data_comparison_tool", "file_repository", "data_quality_create", "data_quality_execute",
			"api_import", "mobile_app", "mobile_app_download_data", "record_create", "record_rename", "record_delete", "lock_records_all_forms",
			"lock_records", "lock_records_customization", "stats_and_charts"),
		"redcapr-users/users-without-dag.csv": zero(map[string]string{
			"username": "unittestphifree", "firstname": "Unit Test", "lastname": "Phi Free",
			"user_rights": "1", "data_access_groups": "1", "reports": "0", "logging": "1", "api_export": "1",
			"forms_export": `{"health": 1, "demographics": 1, "race_and_ethnicity": 1}`, "2:email_logging": "0", "2:api_modules": "0",
		}, rest...),
	} {
		body := asJSON(t, file, numbers...)
		p := small(fake.Classic, 2)
		at := replay(t, p, fake.Options{Version: "17.0.3"}, func(form url.Values) *canned {
			if form.Get("content") == "user" {
				return &canned{body: body}
			}
			return nil
		})
		s := newStore(t)
		mustPull(t, source(t, at, p.Token(), pulls(pullUsers)), s)
		wantRows(t, s, "_meta.redcap_user", map[string]map[string]string{"unittestphifree": want})
	}
}

func TestUsersRolesAndWhoIsWhereAreOfTheProject(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"10.9.0", "12.4.0", "14.9.1", "15.6.0", "17.4.1"} {
		p := small(fake.Classic, 3)
		p.Rights(func(u *fake.User) { u.Expiration = "2031-05-01" })
		group := p.AddDAG("North")
		nurse := fake.FullRights("nurse")
		nurse.APIExport, nurse.DAG, nurse.Forms = false, group, map[string]int{"form_1": fake.ExportDeidentified}
		p.AddUser(nurse)
		role := p.AddRole(fake.Role{Label: "Readers", As: &fake.User{Logging: true}})
		p.AddUser(fake.FullRights("reader"))
		if err := p.BindUserToRole("reader", role); err != nil {
			t.Fatal(err)
		}
		server, url := serve(t, fake.Options{Version: version}, p)
		s := newStore(t)
		structure, _ := mustPull(t, source(t, url, p.Token(), pulls(pullUsers)), s)
		users := s.rows("_meta.redcap_user")
		n := users["nurse"]
		if len(users) != 3 || n["data_access_group"] != group || n["api_export"] != "0" || n["email"] != "nurse@example.edu" {
			t.Errorf("%s: users %v", version, users)
		}
		for _, row := range users {
			for column := range row {
				if column[0] == '0' {
					t.Errorf("%s: a user's %s does not fit", version, column)
				}
			}
		}
		forms := map[string]string{"10.9.0": `{"form_1": 2, "form_2": 2, "form_3": 2}`, "17.4.1": `{"form_1": 129, "form_2": 129, "form_3": 129}`}
		if want := forms[version]; want != "" && n["forms"] != want {
			t.Errorf("%s: forms %s, want %s", version, n["forms"], want)
		}
		if want := `{"form_1": 2, "form_2": 1, "form_3": 1}`; version != "10.9.0" && n["forms_export"] != want {
			t.Errorf("%s: forms_export %s, want %s", version, n["forms_export"], want)
		}
		if version == "10.9.0" {
			wantWarning(t, structure.Warnings, "redcap_user_role was not read: the server does not have the method")
			wantWarning(t, structure.Warnings, "redcap_user_role_assignment was not read")
			if n["2:data_export"] != "2" {
				t.Errorf("the right of old servers is not kept: %v", n)
			}
			continue
		}
		if r := s.row("_meta.redcap_user_role", role); r["role_label"] != "Readers" || r["logging"] != "1" || r["design"] != "0" {
			t.Errorf("%s: role %v", version, r)
		}
		for user, want := range map[string]string{"nurse": "", "reader": role} {
			if got := s.row("_meta.redcap_user_role_assignment", user); got == nil || got["unique_role_name"] != want {
				t.Errorf("%s: role of %s is %v, want %q", version, user, got, want)
			}
		}
		for user, want := range map[string]string{"nurse": group, "reader": ""} {
			if got := s.row("_meta.redcap_user_dag", user); got == nil || got["redcap_data_access_group"] != want {
				t.Errorf("%s: group of %s is %v, want %q", version, user, got, want)
			}
		}
		if err := server.ReadOnly(); err != nil {
			t.Error(err)
		}
	}
}

func TestRightsToInstrumentsBecomeOneObjectHoweverTheyCome(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                            "",
		"a:1,b:130":                   `{"a":1,"b":130}`,
		" a:1 , b: ":                  `{"a":1,"b":""}`,
		"a:no access":                 `{"a":"no access"}`,
		`{"a":1,"b":{"c":2}}`:         `{"a":1,"b":{"c":2}}`,
		"[]":                          "{}",
		"neither this nor that":       "neither this nor that",
		`a"b:1`:                       `{"a\"b":1}`,
		"demographics:130,health:130": `{"demographics":130,"health":130}`,
	} {
		if got := formRights(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestAUserGoneFromTheProjectGoesFromTheTable(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	p.AddUser(fake.FullRights("temp"))
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), pulls(pullUsers)), s)
	if err := p.RemoveUser("temp"); err != nil {
		t.Fatal(err)
	}
	mustPull(t, source(t, url, p.Token(), pulls(pullUsers)), s)
	for _, table := range []string{"redcap_user", "redcap_user_dag", "redcap_user_role_assignment"} {
		if s.row("_meta."+table, "temp") != nil {
			t.Errorf("%s still has the user", table)
		}
	}
}

func TestTheEndOfTheTokensUserIsToldOfBefore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC)
	zone := time.FixedZone("east", 3600) // there it is the third of March
	for _, test := range []struct {
		end, want string
		others    int // that may export by the API, too
	}{
		{"", "", 0},
		{"2026-04-03", "", 0},
		{"2026-04-02", "the token's user expires in 30 days, on 2026-04-02", 0},
		{"2026-03-10", "the token's user expires in 7 days, on 2026-03-10", 0},
		{"2026-03-04", "the token's user expires in 1 day, on 2026-03-04", 0},
		{"2026-03-04", "", 1},
	} {
		p := small(fake.Classic, 2)
		p.Rights(func(u *fake.User) { u.Expiration, u.Logging = test.end, false })
		for range test.others {
			p.AddUser(fake.FullRights("other"))
		}
		at := now
		_, url := serve(t, fake.Options{Clock: func() time.Time { return at }, Zone: zone}, p)
		src := source(t, url, p.Token(), pulls(pullUsers), func(c *Config) { c.Zone = zone })
		structure, err := src.Describe(t.Context(), extract.Since{})
		if err != nil {
			t.Fatal(err)
		}
		if test.want != "" {
			wantWarning(t, structure.Warnings, test.want)
		} else if len(structure.Warnings) > 0 {
			t.Errorf("end %q: warnings %q", test.end, structure.Warnings)
		}
		if end, err := time.ParseInLocation(time.DateOnly, test.end, zone); test.others == 0 && (err == nil && !structure.AccessEnds.Equal(end) || err != nil && !structure.AccessEnds.IsZero()) {
			t.Errorf("end %q: access ends at %s", test.end, structure.AccessEnds)
		}
	}
}

func TestWhoTheLogNamesAsTheTokensUserIsTheOneWhoseEndIsTold(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	p.AddUser(fake.FullRights("other"))
	if err := p.ExpireUser("other", "2026-03-05"); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, p, fake.Options{})
	s.must(false, pulls(pullUsers))
	p.Rights(func(u *fake.User) { u.Expiration = "2026-03-10" })
	s.night()
	s.must(false, pulls(pullUsers))
	wantWarning(t, s.last.Warnings, "expires in 7 days, on 2026-03-10")
}
