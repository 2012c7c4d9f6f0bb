package engage

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
)

// A membership is current once it has begun and until its end has come; what people report goes before what is recorded.
func TestCurrentMembers(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
	// The columns of Postgres alone decide, whatever zone somebody looks from.
	exec(`CREATE SCHEMA s; SET search_path = pg_catalog; SET TimeZone = 'Pacific/Auckland'`)
	for _, l := range layouts(Options{Resources: []string{memberships, users}}) {
		var columns []string
		for _, c := range l.table.Columns {
			columns = append(columns, c.Name+" "+c.Type.String())
		}
		exec("CREATE TABLE s." + l.table.Name + " (" + strings.Join(columns, ", ") + ")")
	}
	today := `(now() AT TIME ZONE 'America/New_York')::date`
	for id, dates := range map[int][4]string{ // recorded start and end, reported start and end
		1:  {"-10", "", "", ""},
		2:  {"-10", "5", "", ""},
		3:  {"-10", "-1", "", ""},
		4:  {"-10", "0", "", ""}, // its end is the midnight with which today began
		5:  {"0", "", "", ""},
		6:  {"1", "", "", ""},
		7:  {"-10", "", "", "-1"},
		8:  {"-10", "-1", "", "1"},
		9:  {"-10", "", "2", ""},
		10: {"2", "", "-1", ""},
		11: {"", "", "", ""},
		12: {"-3", "-3", "", ""},
	} {
		values := []string{fmt.Sprint(id)}
		for _, d := range dates {
			if d == "" {
				values = append(values, "NULL")
			} else {
				values = append(values, today+" + "+d)
			}
		}
		exec(`INSERT INTO s.memberships (membership_id, position_recorded_start_date, position_recorded_end_date, position_reported_start_date,
			position_reported_end_date, user_id) VALUES (` + strings.Join(values, ", ") + `, ` + fmt.Sprint(id%2) + `)`)
	}
	exec(`INSERT INTO s.users (user_id, card_id, sis_id, preferred_email) VALUES (1, '900', 'S1', 'a@b.example')`)
	made := strings.NewReplacer("{memberships}", "s.memberships", "{users}", "s.users")
	without := views(func(name string) bool { return name == memberships })[0]
	exec("CREATE VIEW s.current_member AS " + made.Replace(without.Query))
	with := views(func(string) bool { return true })[0]
	exec("CREATE OR REPLACE VIEW s.current_member AS " + made.Replace(with.Query)) // columns are appended alone
	rows, err := conn.Query(t.Context(), "SELECT membership_id::text || ' ' || coalesce(card_id, '-') FROM s.current_member ORDER BY membership_id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 900", "2 -", "5 900", "8 -", "10 -", "11 900"}, got); diff != "" {
		t.Error(diff)
	}
	if len(views(func(name string) bool { return name == users })) != 0 {
		t.Error("a view without memberships")
	}
}
