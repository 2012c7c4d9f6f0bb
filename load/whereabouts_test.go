package load

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func TestAPlaceIsJudgedByClusterDatabaseTimelineAndName(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	home := Place{Cluster: 7, Database: 16384, Timeline: 3}
	for name, tt := range map[string]struct {
		name      string
		was, here Place
		silent    time.Duration
		standby   bool
		stop      string
		failOver  bool
	}{
		"never worked in":                           {here: home},
		"at home":                                   {name: "main", was: home, here: home, silent: 900 * time.Hour},
		"another cluster":                           {name: "main", was: home, here: Place{8, 16384, 1}, stop: "another cluster"},
		"another database of the cluster":           {name: "main", was: home, here: Place{7, 16999, 3}, stop: "a copy of another one"},
		"another installation":                      {name: "staging", was: home, here: home, stop: "belongs to installation staging"},
		"a copy under its own name":                 {name: "staging", was: home, here: Place{7, 16999, 3}, stop: "a copy of another one"},
		"a standby that took over":                  {name: "main", was: home, here: Place{7, 16384, 4}, silent: 4 * time.Minute, failOver: true},
		"a restore to an earlier moment":            {name: "main", was: home, here: Place{7, 16384, 4}, silent: 6 * time.Minute, stop: "silent for 6m0s"},
		"a standby that still follows":              {name: "main", was: home, here: Place{7, 16384, 4}, silent: time.Hour, standby: true},
		"a server that tells no cluster":            {name: "main", was: home, here: Place{0, 16384, 0}},
		"another database, cluster unknown":         {name: "main", was: Place{0, 16384, 0}, here: Place{7, 16999, 1}, stop: "a copy of another one"},
		"a place that was known but for the server": {name: "main", was: Place{0, 16384, 0}, here: home},
	} {
		s := Whereabouts{Name: tt.name, Was: tt.was, Here: tt.here}
		if tt.name != "" {
			s.BeatAt = now.Add(-tt.silent)
		}
		s.judge("main", now, tt.standby)
		if s.FailOver != tt.failOver || (s.Stop == "") != (tt.stop == "") || !strings.Contains(s.Stop, tt.stop) {
			t.Errorf("%s: stop %q, fail-over %t", name, s.Stop, s.FailOver)
		}
	}
}

// refused says that nobody may work in a database.
func refused(t *testing.T, url, installation string) {
	t.Helper()
	_, err := Open(t.Context(), Config{URL: url, Installation: installation})
	var e *extract.Error
	if !errors.As(err, new(*StoppedError)) || !errors.As(err, &e) || e.Kind != extract.KindHeld || !strings.Contains(e.Next, "doctor --after-restore") {
		t.Errorf("opened by %s: %v", installation, err)
	}
}

func TestACopyIsRefusedUntilSomebodySaysWhatItIs(t *testing.T) {
	t.Parallel()
	original := pgtest.New(t)
	w := warehouseAt(t, Config{URL: original, Installation: "main"})
	r := begin(t, w, order())
	agree(t, r, people())
	loadInto(t, r, &extract.Batch{Marks: []extract.Mark{{Name: "clock", Value: "12"}}})
	do(t, w, "INSERT INTO syncd.slot (job, kind, slot_at, state) VALUES ('asthma', 'sync', now(), 'due')")
	id := ask[string](t, w, "SELECT id::text FROM syncd.installation")
	ended := ask[time.Time](t, w, "SELECT greatest(beat_at, (SELECT max(committed_at) FROM syncd.batch)) FROM syncd.installation")
	w.Close()

	for name, settle := range map[string]func(*Warehouse) (Settling, error){
		"restored": func(w *Warehouse) (Settling, error) { return w.Restored(t.Context(), "main", "me") },
		"moved":    func(w *Warehouse) (Settling, error) { return w.Moved(t.Context(), "main", "me") },
		"renamed":  func(w *Warehouse) (Settling, error) { return w.Moved(t.Context(), "other", "me") },
		"cloned":   func(w *Warehouse) (Settling, error) { return w.Cloned(t.Context(), "other", "me", nil) },
	} {
		url := pgtest.Copy(t, original)
		refused(t, url, "main")
		refused(t, url, "other")
		reader := warehouseAt(t, Config{URL: url})
		if s, err := reader.Whereabouts(t.Context(), "main"); err != nil || !strings.Contains(s.Stop, "a copy of another one") || s.ID != id {
			t.Errorf("%s: %+v %v", name, s, err)
		}
		if name == "restored" { // as doctor does; it ends a run now, and the data does not end now
			if lost, err := reader.Unwind(t.Context()); err != nil || lost != 1 {
				t.Errorf("%d runs were under way: %v", lost, err)
			}
		}
		s, err := settle(reader)
		if err != nil || s.Was != "main" || s.Runs != map[bool]int64{false: 1}[name == "restored"] || !s.EndsAt.Equal(ended) {
			t.Errorf("%s: %+v %v", name, s, err)
		}
		mine, theirs := "main", "other"
		if name == "renamed" || name == "cloned" {
			mine, theirs = theirs, mine
		}
		again := warehouseAt(t, Config{URL: url, Installation: mine})
		refused(t, url, theirs)
		got := ask[string](t, again, `SELECT concat_ws(' ', i.id = $1, i.generation, (SELECT state FROM syncd.run), (SELECT state FROM syncd.slot),
			(SELECT count(*) FROM syncd.mark WHERE name = 'restored'), (SELECT string_agg(action, ' ' ORDER BY audit_id) FROM syncd.audit),
			(SELECT 'paused ' || string_agg(subject, ' ') FROM syncd.pause)) FROM syncd.installation AS i`, id)
		want := map[string]string{
			"restored": "t 2 lost due 1 after-restore", "moved": "t 2 lost due 0 adopt-moved",
			"renamed": "t 2 lost due 0 adopt-moved", "cloned": "f 2 lost skipped 0 adopt-clone paused asthma",
		}[name]
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	// A copy is not made an installation of its own by the file of the one that it was copied from.
	reader := warehouseAt(t, Config{URL: pgtest.Copy(t, original)})
	if _, err := reader.Cloned(t.Context(), "main", "me", nil); extract.KindOf(err) != extract.KindConfig {
		t.Errorf("a clone of the same name: %v", err)
	}
}

func TestADatabaseThatIsReplacedUnderADaemonStopsItUntilItIsSettled(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	w := warehouseAt(t, Config{URL: url, Installation: "main"})
	b, err := w.Inbox(2)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Accept(t.Context(), delivery("one", "x"), func() {}); err != nil {
		t.Fatal(err)
	}
	r := begin(t, w, order())
	agree(t, r, people())

	// The address leads to another place from now on: all connections are new.
	do(t, warehouseAt(t, Config{URL: url}), "UPDATE syncd.installation SET database_oid = 1")
	if err := w.Guard(t.Context()); !errors.As(err, new(*StoppedError)) {
		t.Errorf("guard: %v", err)
	}
	_, begun := w.Begin(t.Context(), Order{Job: "copd", Kind: "sync", Schema: "copd", Holder: "h", Source: "redcap.main"})
	_, kept := b.Accept(t.Context(), delivery("two", "x"), func() {})
	_, loaded := r.Load(t.Context(), many(people(), ids(1, 2)))
	for what, err := range map[string]error{"begin": begun, "accept": kept, "load": loaded, "ready": w.Ready(t.Context())} {
		if !errors.As(err, new(*StoppedError)) {
			t.Errorf("%s: %v", what, err)
		}
	}

	if _, err := warehouseAt(t, Config{URL: url}).Restored(t.Context(), "main", "me"); err != nil {
		t.Fatal(err)
	}
	if err := w.Guard(t.Context()); err != nil {
		t.Errorf("settled: %v", err)
	}
	if _, err := b.Accept(t.Context(), delivery("two", "x"), func() {}); err != nil {
		t.Errorf("settled: %v", err)
	}
	// What began before is a stranger to the data, also where its claim looks like one of now.
	do(t, w, "UPDATE syncd.claim SET epoch = $1", r.epoch)
	if _, err := r.Load(t.Context(), many(people(), ids(1, 2))); !errors.As(err, new(*StaleError)) {
		t.Errorf("a run of before: %v", err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestAFailOverGoesOnAndIsToldOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	var log bytes.Buffer
	w := warehouseAt(t, Config{URL: url, Installation: "main", Log: slog.New(slog.NewTextHandler(&log, nil))})
	do(t, w, "UPDATE syncd.installation SET timeline = 4711, beat_at = clock_timestamp() - interval '4 minutes'")
	for range 3 {
		if err := w.Guard(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "failed over"); n != 1 {
		t.Errorf("told %d times: %s", n, &log)
	}
	do(t, w, "UPDATE syncd.installation SET timeline = 4711, beat_at = clock_timestamp() - interval '6 minutes'")
	if err := w.Guard(t.Context()); !errors.As(err, new(*StoppedError)) {
		t.Errorf("with an old beat: %v", err)
	}
}

func TestDataThatWasSetBackUnderADaemonStopsEverybody(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	w := warehouseAt(t, Config{URL: url, Installation: "main"})
	if err := w.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, w, "UPDATE syncd.installation SET beat_at = beat_at - interval '4 minutes'") // as a standby that lagged behind
	if err := w.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, w, "UPDATE syncd.installation SET beat_at = clock_timestamp()")
	if err := w.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, w, "UPDATE syncd.installation SET beat_at = beat_at - interval '6 minutes'")
	if err := w.Guard(t.Context()); !errors.As(err, new(*StoppedError)) || !strings.Contains(err.Error(), "set back") {
		t.Errorf("who saw it: %v", err)
	}
	refused(t, url, "main") // who did not
	if _, err := warehouseAt(t, Config{URL: url}).Restored(t.Context(), "main", "me"); err != nil {
		t.Fatal(err)
	}
	if err := w.Guard(t.Context()); err != nil {
		t.Errorf("settled: %v", err)
	}
	warehouseAt(t, Config{URL: url, Installation: "main"})
}

func TestTheBeatIsWrittenOnceInTenSeconds(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t), Installation: "main"})
	at := ask[string](t, w, "SELECT beat_at::text FROM syncd.installation")
	if err := w.Guard(t.Context()); err != nil || ask[string](t, w, "SELECT beat_at::text FROM syncd.installation") != at {
		t.Errorf("the beat moved at once: %v", err)
	}
	do(t, w, "UPDATE syncd.installation SET beat_at = clock_timestamp() - interval '11 seconds'")
	if err := w.Guard(t.Context()); err != nil || ask[bool](t, w, "SELECT beat_at < clock_timestamp() - interval '10 seconds' FROM syncd.installation") {
		t.Errorf("the beat stands still: %v", err)
	}
}
