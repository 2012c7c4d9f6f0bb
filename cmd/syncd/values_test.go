package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redcap"
)

// ruled is a field and values of it, each with the rules that it breaks, joined by commas.
type ruled struct {
	field  fake.Field
	values map[string]string
}

func validated(validation, low, high string, values map[string]string) ruled {
	return ruled{fake.Field{Type: "text", Validation: validation, Min: low, Max: high}, values}
}

// ruledFields has every rule broken and kept, at its edges. today is a date of the clock that the views look at.
func ruledFields(today, yesterday, tomorrow string) []ruled {
	const above, below = "above_suggested_range", "below_suggested_range"
	choices := func(kind, list string, values map[string]string) ruled {
		return ruled{fake.Field{Type: kind, Choices: list}, values}
	}
	return []ruled{
		validated("integer", "", "", map[string]string{"007": "", "-12": "", "1.5": "not_an_integer", "twelve": "not_an_integer", "99999999999999999999": "too_large_for_its_column"}),
		validated("integer", "3", "9", map[string]string{"2": below, "3": "", "9": "", "10": above, "2147483648": "too_large_for_its_column"}),
		validated("integer", "", "2.5", map[string]string{"2": "", "3": above}),
		validated("number", "-1.5", "1e2", map[string]string{"-1.5": "", "-1.51": below, "100": "", "100.0001": above, "about 5": "not_a_number", "1e400": "too_large_for_its_column"}),
		validated("number_comma_decimal", "0,5", "3", map[string]string{"0.5": "", "0,4": below, "3,1": above, "1,2,3": "not_a_number"}),
		validated("number_1dp", "", "", map[string]string{"1.5": "", "1.55": "not_1_decimal", "1": "not_1_decimal", "x": "not_a_number"}),
		validated("number_2dp_comma_decimal", "", "", map[string]string{"1,50": "", "1,5": "not_2_decimals"}),
		validated("date_dmy", "2020-01-01", "today", map[string]string{"2020-01-01": "", "2019-12-31": below, today: "", tomorrow: above, "2023-02-30": "not_a_date", "31/12/2020": "not_a_date"}),
		validated("date_ymd", "today", "not a date", map[string]string{today: "", yesterday: below}),
		validated("datetime_ymd", "today", "", map[string]string{today + " 00:00": "", yesterday + " 23:59": below, today + " 10:00:30": "not_ymd_hh_mm", "soon": "not_a_datetime"}),
		validated("datetime_seconds_mdy", "", "now", map[string]string{today + " 00:00:00": "", tomorrow + " 23:59:59": above}),
		validated("time", "08:00", "", map[string]string{"23:59": "", "08:00": "", "07:59": below, "00:00": below, "24:00": "not_a_time", "55:02": "not_a_time", "12:30:01": "not_hh_mm"}),
		validated("time_hh_mm_ss", "", "", map[string]string{"23:59:59": "", "00:00:00": "", "24:00:00": "not_a_time_with_seconds"}),
		validated("time_mm_ss", "00:30", "10:00", map[string]string{"00:30": "", "00:29": below, "10:00": "", "10:01": above, "60:00": "not_minutes_and_seconds", "01:05:02": "not_mm_ss," + above}),
		validated("email", "", "", map[string]string{"joe@user.com": "", "joe@user": "not_an_email", "joe": "not_an_email"}),
		validated("zipcode", "", "", map[string]string{"94043": "", "94043-1234": "", "9404": "not_a_zipcode", "94043-12": "not_a_zipcode"}),
		validated("phone", "", "", map[string]string{"(415) 555-1212": "", "415 555 1212 x9": "", "415555121": "not_a_phone", "41555512123": "not_a_phone"}),
		validated("phone_australia", "", "", map[string]string{"02 5551 2345": "", "5551 2345": "not_a_phone_australia"}),
		validated("phone_uk", "", "", map[string]string{"020 7946 0018": "", "7946 0018": "not_a_phone_uk"}),
		validated("postalcode_australia", "", "", map[string]string{"2600": "", "260": "not_a_postalcode_australia"}),
		validated("postalcode_canada", "", "", map[string]string{"K1A 0B1": "", "D1A 0B1": "not_a_postalcode_canada"}),
		validated("postalcode_french", "", "", map[string]string{"75008": "", "00100": "not_a_postalcode_french"}),
		validated("postalcode_germany", "", "", map[string]string{"10115": "", "1011": "not_a_postalcode_germany"}),
		validated("postalcode_uk", "", "", map[string]string{"SW1A 1AA": "", "SW1A": "not_a_postalcode_uk"}),
		validated("ssn", "", "", map[string]string{"123-45-6789": "", "123456789": "not_an_ssn"}),
		validated("mrn_10d", "", "", map[string]string{"0123456789": "", "123456789": "not_a_10_digit_mrn", "01234567890": "not_a_10_digit_mrn"}),
		validated("mrn_generic", "", "", map[string]string{"A-1_b": "", "A 1": "not_a_generic_mrn"}),
		validated("vmrn", "", "", map[string]string{
			"123": "not_a_vanderbilt_mrn", "000123": "not_a_vanderbilt_mrn", "1234": "", "0001234": "", "123456789": "", "00123456789": "",
			"1234567890": "not_a_vanderbilt_mrn", "01234567890": "not_a_vanderbilt_mrn",
		}),
		validated("alpha_only", "", "", map[string]string{"abc": "", "ab1": "not_letters_only"}),
		validated("made_up_by_an_admin", "", "", map[string]string{"anything": ""}),
		choices("radio", "1, One | 2, Two", map[string]string{"1": "", "3": "not_a_choice", "one": "not_a_choice"}),
		choices("dropdown", "A, a | 01, b | it's, c", map[string]string{"A": "", "01": "", "it's": "", "a": "not_a_choice", "1": "not_a_choice"}),
		choices("dropdown", "BIOPORTAL:CTCAE", map[string]string{"ctcae5:C57293": ""}),
		choices("yesno", "", map[string]string{"1": "", "maybe": "not_yes_or_no"}),
		choices("truefalse", "", map[string]string{"0": "", "2": "not_true_or_false"}),
		choices("calc", "1+1", map[string]string{"2": "", "two": "not_a_number"}),
		{fake.Field{Type: "slider", Min: "-1", Max: "101"}, map[string]string{"-1": "", "101": "", "102": above, "x": "not_a_slider_value"}},
		{fake.Field{Type: "notes", Validation: "email"}, map[string]string{"a note": ""}},
	}
}

func TestEveryBrokenRuleIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t)
	tx, err := w.conn.Begin(t.Context()) // its clock stands still, so that today stays today
	if err != nil {
		t.Fatal(err)
	}
	days := lines(t, tx, "SELECT current_date, current_date - 1, current_date + 1")
	today, yesterday, _ := strings.Cut(days[0], "|")
	yesterday, tomorrow, _ := strings.Cut(yesterday, "|")
	list := ruledFields(today, yesterday, tomorrow)
	fields := make([]fake.Field, len(list))
	for i, r := range list {
		fields[i] = r.field
		fields[i].Name = fmt.Sprintf("f%02d", i)
	}
	p := valuesProject(t, 11, "Ward", map[string][]fake.Field{"typed": fields})
	p.SetCodes(fake.Code{Code: "UNK", Label: "Unknown"})
	w.add(t, "ward", p, "")
	var want []string
	summary := map[string]int{}
	for i, r := range list {
		values := slices.Sorted(maps.Keys(r.values))
		for j, v := range append(values, "UNK") {
			record := fmt.Sprintf("%02d-%d", i, j)
			w.save(t, p, record, fake.Place{}, map[string]string{fields[i].Name: v, "typed_complete": "2"})
			for _, rule := range strings.FieldsFunc(r.values[v], func(c rune) bool { return c == ',' }) {
				want = append(want, record+"|"+fields[i].Name+"|"+rule)
				summary[fields[i].Name+"|"+rule]++
			}
		}
	}
	w.save(t, p, "status", fake.Place{}, map[string]string{"f00": "1", "typed_complete": "7"})
	want = append(want, "status|typed_complete|not_a_form_status")
	summary["typed_complete|not_a_form_status"]++
	w.sync(t)

	slices.Sort(want)
	got := lines(t, tx, "SELECT record, field, rule FROM syncd.nonconforming ORDER BY (record, field, rule)::text COLLATE \"C\"")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	for _, line := range lines(t, tx, "SELECT DISTINCT job, title, project_id, schema_name, instrument, event, instance FROM syncd.nonconforming") {
		if line != "ward|Ward|11|ward|typed||1" {
			t.Errorf("a value of %q", line)
		}
	}
	if odd := lines(t, tx, "SELECT rule FROM syncd.nonconforming WHERE message IS NULL OR severity IS NULL OR value IS NULL"); len(odd) > 0 {
		t.Errorf("rules without words: %v", odd)
	}
	var counted []string
	for key, n := range summary {
		counted = append(counted, key+"|"+strconv.Itoa(n))
	}
	slices.Sort(counted)
	got = lines(t, tx, "SELECT field, rule, count FROM syncd.nonconforming_summary")
	slices.Sort(got)
	if diff := cmp.Diff(counted, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	w.agreesWithRun(t, tx)
}

// agreesWithRun holds what the last run counted while it decoded against what the views find in the tables.
func (w *valuesWorld) agreesWithRun(t *testing.T, tx pgx.Tx) {
	t.Helper()
	told := 0
	line := regexp.MustCompile(`^stored as it is, values: (\d+), (\w+): .* \((\w+)\)$`)
	for _, warning := range lines(t, tx, "SELECT unnest(warnings) FROM syncd.run ORDER BY run_id DESC") {
		m := line.FindStringSubmatch(warning)
		if m == nil {
			continue
		}
		told++
		if n := lines(t, tx, "SELECT coalesce(sum(count), 0) FROM syncd.nonconforming_summary WHERE field = $1 AND rule = $2", m[2], m[3]); n[0] != m[1] {
			t.Errorf("the run counted %s values of %s that break %s, the view finds %s", m[1], m[2], m[3], n[0])
		}
	}
	if told != 20 {
		t.Errorf("the run told of %d rules, want the 20 that most values break", told)
	}
}

func TestValueViewsFollowTheProjects(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t)
	mail := fake.Field{Name: "mail", Type: "text", Validation: "email"}
	secret := fake.Field{Name: "mrn", Type: "text", Validation: "vmrn", Identifier: "y"}
	ward := valuesProject(t, 21, "Ward", map[string][]fake.Field{"visit": {mail, secret}, "lab": {{Name: "n", Type: "text", Validation: "integer"}}})
	w.save(t, ward, "1", fake.Place{}, map[string]string{"mail": "joe", "mrn": "1", "n": "x"})
	w.add(t, "ward", ward, "")
	w.sync(t)
	const all = "SELECT job, instrument, field, rule, record, value FROM syncd.nonconforming ORDER BY 1, 2, 3"
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, want...), lines(t, w.conn, all)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	lab, visit, mrn := "ward|lab|n|not_an_integer|1|x", "ward|visit|mail|not_an_email|1|joe", "ward|visit|mrn|not_a_vanderbilt_mrn|1|1"
	check("one project", lab, visit, mrn)

	clinic := valuesProject(t, 22, "Clinic", map[string][]fake.Field{"visit": {mail, secret}})
	w.save(t, clinic, "9", fake.Place{}, map[string]string{"mail": "x@", "mrn": "2"})
	w.add(t, "clinic", clinic, "identifiers = \"skip\"")
	w.sync(t)
	other := "clinic|visit|mail|not_an_email|9|x@"
	check("a project that came later, without its identifiers", other, lab, visit, mrn)

	read := []string{"GRANT USAGE ON SCHEMA ward, ward_meta TO %[1]s", "GRANT SELECT ON ALL TABLES IN SCHEMA ward_meta TO %[1]s"}
	w.as(t, "one", slices.Concat(asManager, read, []string{"GRANT SELECT ON ALL TABLES IN SCHEMA ward TO %[1]s"}), func() {
		check("a role that may read one project", lab, visit, mrn)
		if got := lines(t, w.conn, "SELECT DISTINCT job FROM syncd.all_field"); !slices.Equal(got, []string{"ward"}) {
			t.Errorf("dictionaries of %v", got)
		}
	})
	w.as(t, "column", slices.Concat(asManager, read, []string{"GRANT SELECT (record_id, redcap_event_name, redcap_repeat_instance, mail) ON ward.visit TO %[1]s"}), func() {
		check("a role that may read one column", visit)
	})
	w.as(t, "none", asManager, func() { check("a role that may read no project") })

	if err := ward.RemoveField("mail"); err != nil {
		t.Fatal(err)
	}
	w.sync(t, "--full")
	check("a field that is gone", other, lab, mrn)
	w.exec(t, "UPDATE syncd.column_def SET retired_at = now() WHERE schema_name = 'ward' AND column_name = 'mrn'")
	check("a column that is retired while its field lives on in another", other, lab)
	w.exec(t, "UPDATE syncd.column_def SET retired_at = NULL WHERE schema_name = 'ward' AND column_name = 'mrn'")
	w.exec(t, "DROP TABLE ward.lab")
	check("a table that was dropped by hand", other, mrn)
	w.exec(t, "DROP SCHEMA ward_meta CASCADE")
	check("a project whose structure is not there", other)
	if n := lines(t, w.conn, "SELECT count(*) FROM syncd.nonconforming_values('clinic')"); n[0] != "1" {
		t.Errorf("one job's values: %s", n[0])
	}
}

func TestValueViewsReadPartsEventsAndInstances(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t)
	wide := make([]fake.Field, 900)
	for i := range wide {
		wide[i] = fake.Field{Name: fmt.Sprintf("w%03d", i), Type: "text", Validation: "integer", Max: "10"}
	}
	wide[899].Max = "[w000]" // of another part of the instrument
	first := fake.Field{Name: "began", Type: "text", Validation: "date_ymd"}
	seen := fake.Field{Name: "seen", Type: "text", Validation: "date_ymd", Min: "[began]"}
	again := fake.Field{Name: "again", Type: "text", Validation: "date_ymd", Min: "[began]", Max: "[until]"}
	until := fake.Field{Name: "until", Type: "text", Validation: "date_ymd"}
	p := valuesProject(t, 31, "Parts", map[string][]fake.Field{"wide": wide, "start": {first}, "visit": {seen}, "daily": {again, until}})
	p.MakeLongitudinal()
	event, err := p.AddEvent("Later", 1, "start", "visit", "daily", "wide")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.RepeatForm(event, "daily", ""); err != nil {
		t.Fatal(err)
	}
	at := fake.Place{Event: event}
	w.save(t, p, "1", at, map[string]string{"w000": "9", "w001": "11", "w500": "x", "w898": "10", "w899": "10", "began": "2024-05-06", "seen": "2024-05-05"})
	w.save(t, p, "2", at, map[string]string{"w000": "10", "w899": "10", "began": "2024-05-06", "seen": "2024-05-06"})
	w.save(t, p, "1", fake.Place{Event: event, Instrument: "daily", Instance: 1}, map[string]string{"again": "2024-05-01", "until": "2024-05-01"})
	w.save(t, p, "1", fake.Place{Event: event, Instrument: "daily", Instance: 2}, map[string]string{"again": "2024-05-02", "until": "2024-05-01"})
	w.add(t, "parts", p, "")
	w.sync(t)
	if n := lines(t, w.conn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'parts' AND tablename LIKE 'wide%'"); n[0] == "1" {
		t.Fatal("the wide instrument is not split")
	}
	want := []string{
		"daily|again|above_suggested_range|1|" + event + "|2|2024-05-02", // what began in another row is no bound of an instance
		"visit|seen|below_suggested_range|1|" + event + "|1|2024-05-05",
		"wide|w001|above_suggested_range|1|" + event + "|1|11",
		"wide|w500|not_an_integer|1|" + event + "|1|x",
		"wide|w899|above_suggested_range|1|" + event + "|1|10",
	}
	if diff := cmp.Diff(want, lines(t, w.conn, "SELECT instrument, field, rule, record, event, instance, value FROM syncd.nonconforming ORDER BY 1, 2")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

func TestStructureViewsShowAllProjects(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t)
	w.add(t, "plain", fake.Synthetic(fake.Spec{Kind: fake.Classic, Records: 2, Fields: 12, ID: 41, Title: "Plain", DAGs: 2, Missing: true}), "")
	w.add(t, "long", fake.Synthetic(fake.Spec{Kind: fake.Longitudinal, Records: 2, Fields: 12, ID: 42, Title: "Long"}), "")
	w.sync(t)
	for view, table := range map[string]string{"all_field": "redcap_field", "all_choice": "redcap_choice", "all_event": "redcap_event", "all_dag": "redcap_dag"} {
		columns := lines(t, w.conn, "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'syncd' AND table_name = $1 AND ordinal_position > 4", view)[0]
		stored := lines(t, w.conn, "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'plain_meta' AND table_name = $1 AND column_name NOT LIKE '\\_%'", table)[0]
		if columns != stored {
			t.Errorf("%s has the columns %s, the table %s", view, columns, stored)
		}
		for job, front := range map[string]string{"plain": "plain|plain|41|Plain", "long": "long|long|42|Long"} {
			want := lines(t, w.conn, fmt.Sprintf("SELECT %s FROM %s_meta.%s", columns, job, table))
			for i := range want {
				want[i] = front + "|" + want[i]
			}
			got := lines(t, w.conn, fmt.Sprintf("SELECT * FROM syncd.%s WHERE job = '%s'", view, job))
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s (-table +view):\n%s", view, job, diff)
			}
			if len(got) == 0 && (job == "plain") != (table == "redcap_event") && (job == "long") != (table == "redcap_dag") {
				t.Errorf("%s of %s is empty", view, job)
			}
		}
	}
	w.exec(t, "ALTER TABLE long_meta.redcap_event DROP COLUMN day_offset; DROP TABLE plain_meta.redcap_event")
	got := lines(t, w.conn, "SELECT DISTINCT job, day_offset FROM syncd.all_event")
	if diff := cmp.Diff([]string{"long|-"}, got); diff != "" {
		t.Errorf("an older table, and one that is not there (-want +got):\n%s", diff)
	}
}

func TestRecordedValuesBreakTheRulesThatTheyBreak(t *testing.T) {
	t.Parallel()
	folder := fixtures(t)
	w := newValuesWorld(t)
	for i, name := range []string{"validation-types-1", "potentially-problematic-values", "decimal-comma", "decimal-dot", "decimal-comma-and-dot"} {
		p, err := fake.ReadFolder(filepath.Join(folder, "redcapr-"+name))
		if err != nil {
			t.Fatal(err)
		}
		p.Retitle(51+i, name)
		p.SetToken(fmt.Sprintf("%032X", 0xABC0+i))
		w.add(t, strings.ReplaceAll(name, "-", "_"), p, "")
	}
	w.sync(t)
	want := []string{
		"potentially-problematic-values|form_1|date_before_validation|not_a_date|1|before validation 1",
		"potentially-problematic-values|form_1|date_before_validation|not_a_date|2|before validation 2",
		"potentially-problematic-values|form_1|integer_before_validation|not_an_integer|1|before validation 1",
		"potentially-problematic-values|form_1|integer_before_validation|not_an_integer|2|before validation 1",
	}
	if diff := cmp.Diff(want, lines(t, w.conn, "SELECT title, instrument, field, rule, record, value FROM syncd.nonconforming ORDER BY 1, 3, 5")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if n := lines(t, w.conn, "SELECT count(DISTINCT job) FROM syncd.all_field"); n[0] != "5" {
		t.Errorf("dictionaries of %s projects", n[0])
	}
}

func TestARecordIDIsFoundOnceForTheRecord(t *testing.T) {
	t.Parallel()
	w := newValuesWorld(t)
	p := valuesProject(t, 61, "Numbers", map[string][]fake.Field{"visit": {{Name: "a", Type: "text"}}, "lab": {{Name: "b", Type: "text"}}})
	if err := p.ChangeField(p.RecordField(), func(f *fake.Field) { f.Validation = "mrn_10d" }); err != nil {
		t.Fatal(err)
	}
	for _, record := range []string{"0123456789", "12345"} {
		w.save(t, p, record, fake.Place{}, map[string]string{"a": "x", "b": "y"})
	}
	w.add(t, "numbers", p, "")
	w.sync(t)
	want := []string{p.Fields()[0].Form + "|" + p.RecordField() + "|not_a_10_digit_mrn|12345|-|-|12345"}
	if diff := cmp.Diff(want, lines(t, w.conn, "SELECT instrument, field, rule, record, event, instance, value FROM syncd.nonconforming")); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if told := lines(t, w.conn, "SELECT w FROM syncd.run, unnest(warnings) AS w WHERE w LIKE '%(not_a_10_digit_mrn)'"); len(told) != 1 {
		t.Errorf("the run told of it %d times", len(told))
	}
}
