package redox

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
	"syncd/internal/pgtest"
)

// database is a warehouse as tables in Postgres, with the views of some models, made as the loader makes them.
type database struct {
	t    *testing.T
	conn *pgx.Conn
}

var tableInBraces = regexp.MustCompile(`\{([a-z0-9_.]+)\}`)

func inPostgres(t *testing.T, w *warehouse, of ...*model) database {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	db := database{t, conn}
	db.exec(`SET search_path = pg_catalog; CREATE SCHEMA s; CREATE SCHEMA s_history`)
	made := map[*entity]bool{}
	var views []extract.View
	for _, m := range of {
		for _, e := range m.entities {
			if made[e] {
				continue
			}
			made[e] = true
			for _, table := range e.tables {
				db.make(w, table.live, e)
				if table.past != nil {
					db.make(w, table.past, e)
				}
			}
			views = append(views, e.views...)
		}
	}
	for _, v := range views {
		db.exec(`CREATE VIEW s.` + v.Name + ` AS ` + tableInBraces.ReplaceAllStringFunc(v.Query, func(name string) string {
			name = name[1 : len(name)-1]
			if past, ok := strings.CutPrefix(name, "_history."); ok {
				return "s_history." + past
			}
			return "s." + name
		}))
	}
	return db
}

// make makes a table with its rows.
func (db database) make(w *warehouse, t *extract.Table, e *entity) {
	db.t.Helper()
	schema := "s" + string(t.Side)
	var columns, keys []string
	for _, c := range t.Columns {
		column := quoted(c.Name) + " " + c.Type.String()
		if c.Key {
			keys = append(keys, quoted(c.Name))
			if c.Type == extract.Text {
				column += ` COLLATE "C"`
			}
		}
		columns = append(columns, column)
	}
	columns = append(columns, `_missing jsonb`, `_extra jsonb`)
	if t.Versioned {
		columns = append(columns, `_version text COLLATE "C"`)
	}
	db.exec("CREATE TABLE " + schema + "." + t.Name + " (" + strings.Join(columns, ", ") + ", PRIMARY KEY (" + strings.Join(keys, ", ") + "))")
	for key, cells := range w.cells[t] {
		if w.rows[t][key] == "" {
			continue // deleted
		}
		values := []any{}
		for _, c := range cells {
			values = append(values, c)
		}
		missing := map[string]string{}
		for _, n := range w.notes[t][key] {
			if n.Kind == extract.MissingCode {
				missing[n.Column] = n.Value
			}
		}
		values = append(values, missing, nil)
		if t.Versioned {
			values = append(values, w.versions[e.tables[0].live.Name+"\x00"+key])
		}
		var places []string
		for i := range values {
			place := fmt.Sprintf("$%d", i+1)
			if i < len(t.Columns) {
				place += "::text::" + t.Columns[i].Type.String()
			}
			places = append(places, place)
		}
		if _, err := db.conn.Exec(db.t.Context(), "INSERT INTO "+schema+"."+t.Name+" VALUES ("+strings.Join(places, ", ")+")", values...); err != nil {
			db.t.Fatalf("%s: %v", t.Name, err)
		}
	}
}

func (db database) exec(sql string) {
	db.t.Helper()
	if _, err := db.conn.Exec(db.t.Context(), sql); err != nil {
		db.t.Fatalf("%v\n%s", err, sql)
	}
}

// rows are the rows of a query, each as its cells with blanks between.
func (db database) rows(query string) []string {
	db.t.Helper()
	rows, err := db.conn.Query(db.t.Context(), query)
	if err != nil {
		db.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return strings.TrimSuffix(fmt.Sprintln(values...), "\n"), err
	})
	if err != nil {
		db.t.Fatal(err)
	}
	return all
}

// story are messages about patients, one a minute.
type story []*extract.Delivery

func (s *story) say(event, identifiers, previous, rest string) {
	seq := int64(len(*s) + 1)
	list := func(text string) string {
		var all []string
		for _, word := range strings.Fields(text) {
			kind, id, _ := strings.Cut(word, ":")
			all = append(all, fmt.Sprintf(`{"IDType":%q,"ID":%q}`, kind, id))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	d := delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"PatientAdmin","EventType":%q,"Source":{"ID":"s"}},
		"Patient":{"Identifiers":%s,"PreviousIdentifiers":%s,"Demographics":{"LastName":"after %d"}}%s}`, event, list(identifiers), list(previous), seq, rest))
	d.EventAt = noon.Add(time.Duration(seq) * time.Minute)
	*s = append(*s, d)
}

func (s *story) seen(identifiers string)          { s.say("PatientUpdate", identifiers, "", "") }
func (s *story) merge(previous, survivors string) { s.say("PatientMerge", survivors, previous, "") }

// mergeCases are the cases of the reference, section 6.2: what happened, whom each identifier means after it, and what a person should look at.
var mergeCases = []struct {
	name   string
	tell   func(*story)
	means  string // identifier, '=', the patient's
	review string // reasons
}{
	{"the loser was never seen", func(s *story) { s.seen("MR:2"); s.merge("MR:1", "MR:2") }, "MR:1=MR:2 MR:2=MR:2", ""},
	{"the loser is seen after the merge", func(s *story) { s.seen("MR:2"); s.merge("MR:1", "MR:2"); s.seen("MR:1") }, "MR:1=MR:2 MR:2=MR:2", ""},
	{"the survivor was never seen", func(s *story) { s.seen("MR:1 EPI:e1"); s.merge("MR:1 EPI:e1", "MR:2 EPI:e2") }, "EPI:e1=MR:2 EPI:e2=MR:2 MR:1=MR:2 MR:2=MR:2", ""},
	{"a chain", func(s *story) { s.seen("MR:1"); s.merge("MR:1", "MR:2"); s.merge("MR:2", "MR:3") }, "MR:1=MR:3 MR:2=MR:3 MR:3=MR:3", ""},
	{"the same merge twice", func(s *story) { s.merge("MR:1", "MR:2"); s.merge("MR:1", "MR:2") }, "MR:1=MR:2 MR:2=MR:2", ""},
	{"a merge back", func(s *story) { s.merge("MR:1", "MR:2"); s.merge("MR:2", "MR:1") }, "MR:1=MR:1 MR:2=MR:1", "merged back,merged back"},
	{"a circle of three", func(s *story) {
		s.merge("MR:1", "MR:2")
		s.merge("MR:2", "MR:3")
		s.merge("MR:3", "MR:1")
		s.merge("MR:4", "MR:3")
	}, "MR:1=MR:1 MR:2=MR:1 MR:3=MR:1 MR:4=MR:1", "merged back,merged back,merged back"},
	{"identifiers on both sides", func(s *story) { s.seen("MR:1 EPI:e"); s.merge("MR:1 EPI:e", "MR:2 EPI:e") }, "EPI:e=MR:2 MR:1=MR:2 MR:2=MR:2", "some identifiers stand on both sides,some identifiers stand on both sides"},
	{"the survivor stands on both sides", func(s *story) { s.merge("MR:1 MR:2", "MR:2") }, "MR:1=MR:2 MR:2=MR:2", "some identifiers stand on both sides"},
	{"one id under two types", func(s *story) { s.seen("MR:1"); s.seen("EPI:1"); s.merge("MR:1", "MR:2") }, "EPI:1=EPI:1 MR:1=MR:2 MR:2=MR:2", "the same id is known under another type"},
	{"into two patients", func(s *story) { s.merge("MR:1", "MR:2"); s.merge("MR:1", "MR:3") }, "MR:1=MR:3 MR:2=MR:2 MR:3=MR:3", "merged into different patients"},
	{"an identifier alone, later beside the trusted one", func(s *story) { s.seen("EPI:e"); s.seen("MR:1 EPI:e"); s.seen("EPI:e") }, "EPI:e=MR:1 MR:1=MR:1", ""},
	{"without a type", func(s *story) { s.merge(":1", ":2"); s.merge(":2", ":1") }, ":1=:1 :2=:1", "merged back,merged back"},
	{"a merge of visits", func(s *story) { s.say("VisitMerge", "MR:1", "MR:9", `,"Visit":{"VisitNumber":"v"}`) }, "MR:1=MR:1", "visits were merged, and the message does not say which"},
}

func TestMergesOfPatientsAreResolvedInAnyOrder(t *testing.T) {
	for _, c := range mergeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s story
			c.tell(&s)
			want, orders := "", 0
			permute(s, func(order []*extract.Delivery) {
				w := loaded(t, order, func(int) bool { return true })
				if orders++; want == "" {
					want = w.digest()
					judge(t, w, c.means, c.review)
				} else if w.digest() != want {
					t.Error("another order gives another result")
				}
			})
		})
	}
}

// judge looks at the views of merges.
func judge(t *testing.T, w *warehouse, means, review string) {
	t.Helper()
	db := inPostgres(t, w, patientAdmin)
	got := db.rows(`SELECT id_type || ':' || id || '=' || patient_id_type || ':' || patient_id FROM s.patient_current ORDER BY id_type, id`)
	if strings.Join(got, " ") != means {
		t.Errorf("identifiers mean %q, want %q", got, means)
	}
	reasons := db.rows(`SELECT reason FROM s.merge_review ORDER BY 1`)
	if strings.Join(reasons, ",") != review {
		t.Errorf("to be looked at: %q, want %q", reasons, review)
	}
}

func TestAnIdentifierShowsThePatientThatItMeans(t *testing.T) {
	var s story
	s.seen("MR:1")
	s.seen("MR:2")
	s.merge("MR:1", "MR:2")
	s.seen("MR:1")
	db := inPostgres(t, loaded(t, s, func(int) bool { return false }), patientAdmin)
	got := db.rows(`SELECT id, patient_id, retired, demographics_last_name FROM s.patient_current ORDER BY id`)
	if want := []string{"1 2 true after 3", "2 2 false after 3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFilledShowsTheLastValueOfEachColumn(t *testing.T) {
	events := visitEvents()
	show := func(events []*extract.Delivery) string {
		db := inPostgres(t, loaded(t, events, func(int) bool { return true }), patientAdmin)
		return strings.Join(db.rows(`SELECT status, event_type, location_room, attending_provider_id, discharge_date_time IS NULL, to_char(version_at AT TIME ZONE 'UTC', 'HH24:MI') FROM s.visit_filled`), "\n")
	}
	if got, want := show(events[:4]), "finished Discharge 2 a false 12:04"; got != want {
		t.Errorf("after the discharge: %s, want %s", got, want)
	}
	if got, want := show(events), "in progress VisitUpdate 2 a true 12:06"; got != want {
		t.Errorf("after it was taken back: %s, want %s", got, want)
	}
}

func TestFilledRowsAreThoseOfTheNewestStateThatHadAny(t *testing.T) {
	events := visitEvents()
	show := func(query string, events ...*extract.Delivery) string {
		t.Helper()
		return fmt.Sprint(inPostgres(t, loaded(t, events, func(int) bool { return true }), patientAdmin).rows(query))
	}
	const coverages = `SELECT ordinal, priority FROM s.coverage_filled ORDER BY 1`
	if got := show(coverages, events[:5]...); got != "[1 1 2 2]" {
		t.Errorf("coverage of the transfer: %s", got)
	}
	if got := show(coverages, events...); got != "[1 3]" {
		t.Errorf("coverage of the update: %s", got)
	}
	const places = `SELECT role, coalesce(room, facility) FROM s.visit_location_filled ORDER BY 1`
	if got := show(places, events[:4]...); got != "[current 2 discharge home previous 1]" {
		t.Errorf("locations: %s", got)
	}
	if got := show(places, events...); got != "[current 2 previous 1]" {
		t.Errorf("locations after the discharge was taken back: %s", got)
	}
	result := func(seq int64, results string) *extract.Delivery {
		return delivery(seq, `{"Meta":{"DataModel":"Results","EventType":"New"},"Orders":[{"ID":"o","Results":[`+results+`]}]}`)
	}
	w := loaded(t, []*extract.Delivery{result(1, `{"Code":"a","Notes":["n"]}`), result(2, `{"Code":"b"}`)}, func(int) bool { return true })
	db := inPostgres(t, w, results)
	if got := fmt.Sprint(db.rows(`SELECT code FROM s.result_filled`), db.rows(`SELECT text FROM s.result_note_filled`)); got != "[b] []" {
		t.Errorf("results and their notes: %s", got)
	}
}

func TestFilledKnowsNothingFromBeforeADeletion(t *testing.T) {
	say := func(seq int64, event, kind string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"Notes","EventType":%q},"Note":{"DocumentID":"d","DocumentType":%q,"Status":"s%d","Components":[{"ID":"1"}]}}`, event, kind, seq))
	}
	db := inPostgres(t, loaded(t, []*extract.Delivery{say(1, "New", "letter"), say(2, "Delete", ""), say(3, "New", "")}, func(int) bool { return true }), notes)
	if got := db.rows(`SELECT document_id, document_type, status FROM s.note_filled`); len(got) != 1 || got[0] != "d <nil> s3" {
		t.Errorf("%q", got)
	}
	db = inPostgres(t, loaded(t, []*extract.Delivery{say(1, "New", "letter"), say(2, "Delete", "")}, func(int) bool { return true }), notes)
	if got := db.rows(`SELECT document_id FROM s.note_filled UNION ALL SELECT document_id FROM s.note_component_filled`); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestReplacedThingsAreNotCurrent(t *testing.T) {
	doc := func(seq int64, event, id, old string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"Media","EventType":%q},"Media":{"DocumentID":%q,"OriginalDocumentID":%q,"FileContents":"AAE="}}`, event, id, old))
	}
	w := loaded(t, []*extract.Delivery{doc(1, "New", "a", ""), doc(2, "Replace", "b", "a"), doc(3, "Replace", "c", "unseen"), doc(4, "New", "d", "")}, func(int) bool { return true })
	if got := inPostgres(t, w, media).rows(`SELECT document_id, file_contents FROM s.media_current ORDER BY 1`); fmt.Sprint(got) != "[b [0 1] c [0 1] d [0 1]]" {
		t.Errorf("%q", got)
	}
	book := func(seq int64, event, number, old string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"Scheduling","EventType":%q},"Visit":{"VisitNumber":%q,"OldVisitNumber":%q}}`, event, number, old))
	}
	w = loaded(t, []*extract.Delivery{
		book(1, "New", "1", ""), book(2, "Reschedule", "2", "1"), book(3, "Cancel", "1", ""), book(4, "Reschedule", "3", "3"),
		book(5, "New", "4", ""), book(6, "Reschedule", "5", "4"), book(7, "Reschedule", "4", "5"),
	}, func(int) bool { return true })
	if got := inPostgres(t, w, scheduling).rows(`SELECT visit_number FROM s.appointment_current ORDER BY 1`); fmt.Sprint(got) != "[2 3 4]" {
		t.Errorf("%q", got)
	}
}

func TestSlotsAreCurrentWhenAllPartsOfTheirPushCame(t *testing.T) {
	part := func(seq int64, batch string, part, parts int) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"Scheduling","EventType":"PushSlots","BatchID":%q,"CurrentBatch":%d,"TotalBatches":%d},
			"Slots":[{"ID":"%s-%d"},{"DateTime":"2026-03-0%dT10:00:00Z","Provider":{"ID":"p"}}]}`, batch, part, parts, batch, part, part))
	}
	all := []*extract.Delivery{part(1, "a", 1, 1), part(2, "b", 1, 2), part(3, "b", 2, 2), part(4, "c", 1, 2)}
	for n, want := range map[int]string{1: "[2 a]", 2: "[2 a]", 3: "[4 b]", 4: "[4 b]"} {
		db := inPostgres(t, loaded(t, all[:n], func(int) bool { return true }), scheduling)
		if got := db.rows(`SELECT count(*), min(batch_id) FROM s.slot_current`); fmt.Sprint(got) != want {
			t.Errorf("after %d parts: %q, want %s", n, got, want)
		}
	}
}

func TestACancellationOfAnUnknownVisitIsAnOrphanUntilMoreIsKnown(t *testing.T) {
	events := visitEvents()
	orphans := func(events ...*extract.Delivery) string {
		db := inPostgres(t, loaded(t, events, func(int) bool { return true }), patientAdmin)
		return fmt.Sprint(db.rows(`SELECT visit_number, canceled_event FROM s.visit_orphan`))
	}
	if got := orphans(events[4]); got != "[v Discharge]" {
		t.Error(got)
	}
	if got := orphans(events[4], events[1]); got != "[]" {
		t.Error(got)
	}
}

func TestTheViewsOfAllModelsCanBeMade(t *testing.T) {
	inPostgres(t, newWarehouse(), models()...)
}
