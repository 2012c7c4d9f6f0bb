package main

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// seesChanges changes one thing in the tables at a time and expects the comparison to tell: a test that cannot fail
// proves nothing.
func (n *recordedNight) seesChanges(t *testing.T) {
	for _, c := range []struct{ what, file, statement string }{
		{"another text", "redcap-etl/visits.json", `UPDATE demography SET name = name || ' ' WHERE name IS NOT NULL`},
		{"another number", "redcapr-simple/data.csv", `UPDATE health SET height = height + 0.0001`},
		{"another code", "redcap-etl/visits.json", `UPDATE demography SET fruit = fruit + 1`},
		{"a ticked option", "redcap-etl/visits.json", `UPDATE demography SET rooms___1 = NOT rooms___1`},
		{"an option that nobody knows", "redcap-etl/visits.json", `UPDATE demography SET rooms___1 = NULL`},
		{"two columns exchanged", "redcap-etl/visits.json", `UPDATE demography SET email1 = email2, email2 = email1`},
		{"a date moved", "redcap-etl/visits.json", `UPDATE demographyextras SET dob = dob - 1`},
		{"a value lost", "redcap-etl/visits.json", `UPDATE demographyextras SET dob = NULL`},
		{"a value where none was", "redcap-etl/basic-demography.json", `UPDATE demographics SET comments = '' WHERE record_id = '1001'`},
		{"another event", "redcap-etl/visits.json", `UPDATE demography SET redcap_event_name = 'event_1_arm_1'`},
		{"another instance", "redcapr-repeating-instruments/data.csv", `UPDATE bp SET redcap_repeat_instance = redcap_repeat_instance + 100`},
		{"a row lost", "redcapr-repeating-instruments/data.csv", `DELETE FROM bp WHERE ctid = (SELECT min(ctid) FROM bp)`},
		{"a row too many", "redcapr-repeating-instruments/data.csv", `INSERT INTO bp (record_id, redcap_event_name, redcap_repeat_instance, _run_id, _fingerprint, _inserted_at, _changed_at)
			SELECT record_id, redcap_event_name, 99, _run_id, _fingerprint, _inserted_at, _changed_at FROM bp LIMIT 1`},
		{"a record lost", "redcapr-simple/data.csv", `DELETE FROM redcap_record WHERE record_id = '3'`},
		{"a record too many", "redcapr-simple/data.csv", `UPDATE redcap_record SET record_id = '03' WHERE record_id = '3'`},
		{"another group", "redcapr-dag/data.csv", `UPDATE redcap_record SET redcap_data_access_group = 'other'`},
		{"another group in an instrument", "redcapr-dag/data.csv", `UPDATE demographics SET redcap_data_access_group = NULL`},
		{"another arm", "redcapr-longitudinal/data.csv", `UPDATE redcap_record SET arms = '3'`},
		{"a misfit lost", "redcapr-potentially-problematic-values/data.csv", `UPDATE form_1 SET _nonconforming = NULL`},
		{
			"a misfit changed", "redcapr-potentially-problematic-values/data.csv",
			`UPDATE form_1 SET _nonconforming = jsonb_set(_nonconforming, '{date_before_validation}', '"x"')`,
		},
		{"a misfit that was none", "redcapr-simple/data.csv", `UPDATE demographics SET _nonconforming = '{"dob": "x"}'`},
		{"a missing code lost", "redcapr-survey/data.csv", `UPDATE participant_morale_questionnaire SET _missing = NULL`},
		{"a column of another type", "redcapr-simple/data.csv", `ALTER TABLE demographics ALTER dob TYPE text`},
		{"a column lost", "redcapr-simple/data.csv", `ALTER TABLE demographics DROP dob`},
		{"a column too many", "redcapr-simple/data.csv", `ALTER TABLE demographics ADD extra text`},
		{"a table lost", "redcapr-simple/data.csv", `DROP TABLE race_and_ethnicity`},
		{"a table too many", "redcapr-simple/data.csv", `CREATE TABLE more AS SELECT * FROM demographics`},
		{"a seconds' difference", "redcapr-survey/data.csv", `UPDATE prescreening_survey SET prescreening_survey_timestamp = prescreening_survey_timestamp + interval '1 second'`},
	} {
		t.Run(c.what, func(t *testing.T) { n.seesChange(t, c.file, c.statement) })
	}
}

func (n *recordedNight) seesChange(t *testing.T, file, statement string) {
	p := n.find(t, file)
	n.inTransaction(t, func(tx pgx.Tx) {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('search_path', $1, true)", p.job); err != nil {
			t.Fatal(err)
		}
		tag, err := tx.Exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.recording.compare(t.Context(), tx, p.job)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.mismatches) == 0 {
			t.Errorf("%s: %s, and nothing was seen", statement, tag)
		}
	})
}
