package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// witness records, in the order in which claims are locked, who takes and lets go of them, and which run commits a batch.
const witness = `
CREATE SCHEMA witness;
CREATE TABLE witness.seen (no bigserial PRIMARY KEY, what text, job text, chunk text, run_id bigint, epoch bigint);
CREATE FUNCTION witness.claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
	IF OLD.run_id IS DISTINCT FROM NEW.run_id OR OLD.epoch <> NEW.epoch THEN
		INSERT INTO witness.seen (what, job, chunk, run_id, epoch) VALUES (CASE WHEN NEW.run_id IS NULL THEN 'free' ELSE 'take' END, NEW.job, NEW.chunk, NEW.run_id, NEW.epoch);
	END IF;
	RETURN NULL;
END $$;
CREATE FUNCTION witness.batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
	INSERT INTO witness.seen (what, job, chunk, run_id) SELECT 'batch', r.job, r.chunk, r.run_id FROM syncd.run AS r WHERE r.run_id = NEW.run_id;
	RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON syncd.claim FOR EACH ROW EXECUTE FUNCTION witness.claim();
CREATE TRIGGER witness AFTER INSERT ON syncd.batch FOR EACH ROW EXECUTE FUNCTION witness.batch();`

// troupe is three daemons on one database with two jobs that are backfilled again and again.
type troupe struct {
	*watch
	dice     *rand.Rand
	projects []*redcap.Project
	config   string
	daemons  []*serving
	refused  atomic.Int64 // writes of those whose claim was taken
	said     sync.WaitGroup
	killed   int
	frozen   int
}

const (
	troupeSize    = 3
	troupeRecords = 90
	troupeChunk   = "3"
)

// TestDaemonsAndBackfillsGiveOneSerialExecution kills and freezes holders of claims while three daemons work on two backfills and the
// schedules of the same jobs. SYNCD_ROUNDS says how often.
func TestDaemonsAndBackfillsGiveOneSerialExecution(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("SYNCD_ROUNDS")); err == nil {
		rounds = n
	}
	seed := rand.Uint64()
	p := newTroupe(t, seed)
	for range troupeSize {
		p.daemons = append(p.daemons, p.another(t))
	}
	for round := range rounds {
		p.change(t, round)
		p.fill(t)
		if round%2 == 0 {
			p.freeze(t)
		} else {
			p.kill(t)
		}
	}
	p.awaits(t, "0", "SELECT count(*) FROM syncd.backfill WHERE state NOT IN ('succeeded', 'cancelled')")
	for _, d := range p.daemons {
		d.signal(t, syscall.SIGTERM)
	}
	for _, d := range p.daemons {
		<-d.done
	}
	p.said.Wait()
	p.last(t, p.database)
	serial := pgtest.New(t)
	p.last(t, serial)
	differ := 0
	if got, want := digest(t, p.database), digest(t, serial); got != want {
		differ = 1
		t.Errorf("seed %d: the end is not that of a serial execution:\n%s\n--\n%s", seed, got, want)
	}
	batches, overlaps := p.overlaps(t)
	if overlaps != 0 {
		t.Errorf("seed %d: %d batches were committed beside another holder", seed, overlaps)
	}
	if p.refused.Load() == 0 && p.frozen > 0 {
		t.Errorf("seed %d: no write of a frozen holder was refused", seed)
	}
	p.is(t, "0", "SELECT count(*) FROM syncd.backfill WHERE state = 'failed'")
	t.Logf("seed %d: %d daemons, %s backfills, %s runs, %d batches; killed %d, frozen %d; overlaps %d, zombie writes refused %d, end states that differ %d",
		seed, troupeSize, scalar(t, p.database, "SELECT count(*) FROM syncd.backfill"), scalar(t, p.database, "SELECT count(*) FROM syncd.run"),
		batches, p.killed, p.frozen, overlaps, p.refused.Load(), differ)
}

func newTroupe(t *testing.T, seed uint64) *troupe {
	t.Helper()
	p := &troupe{watch: &watch{database: pgtest.New(t), fake: redcap.NewServer(redcap.Options{Latency: 15 * time.Millisecond}), dir: t.TempDir()}, dice: rand.New(rand.NewPCG(seed, 1))}
	for i, title := range []string{"One", "Two"} {
		project := redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: troupeRecords, Fields: 24, ID: 20 + i, Title: title, DAGs: 2, Missing: true, Misfits: 20})
		p.fake.Add(project)
		p.projects = append(p.projects, project)
	}
	p.project = p.projects[0]
	server := httptest.NewServer(p.fake)
	t.Cleanup(server.Close)
	p.config = filepath.Join(p.dir, "jobs.toml")
	text := fmt.Sprintf("[postgres]\nurl = \"env:DATABASE_URL\"\n[serve]\nadmin = \"127.0.0.1:0\"\n[defaults]\nschedule = \"@every 7s\"\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n", server.URL+"/api/")
	for i, name := range []string{"crash", "crash_two"} {
		token := filepath.Join(p.dir, name+".token")
		if err := os.WriteFile(token, []byte(p.projects[i].Token()), 0o600); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("[job.%s]\nsource = \"redcap.main\"\ntoken = \"file:%s\"\n", name, token)
	}
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	statement(t, pgtest.Super(p.database), witness)
	return p
}

// another starts a daemon, and counts what it says was refused.
func (p *troupe) another(t *testing.T) *serving {
	t.Helper()
	s := &serving{cmd: p.command(t, "-c", p.config, "--log-format", "json", "serve"), lines: make(chan line, 10_000), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.follow(stderr)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	s.hears(t, "serving")
	p.said.Go(func() {
		for l := range s.lines {
			if l.Message == "run ended" && strings.Contains(l.raw, "was taken over by epoch") {
				p.refused.Add(1)
			}
		}
	})
	return s
}

// change lets something happen at the source.
func (p *troupe) change(t *testing.T, round int) {
	t.Helper()
	for _, project := range p.projects {
		ids := project.Records()
		for range 5 {
			if err := project.Set(ids[p.dice.IntN(len(ids))], "", "", 0, freeText(project, "note"), fmt.Sprintf("round %d", round)); err != nil {
				t.Fatal(err)
			}
		}
		if err := project.AddRecord(fmt.Sprintf("new-%d", round), map[string]string{freeText(project, "note"): "new"}); err != nil {
			t.Fatal(err)
		}
	}
}

// fill hands both jobs to the daemons.
func (p *troupe) fill(t *testing.T) {
	t.Helper()
	for _, name := range []string{"crash", "crash_two"} {
		if out, err := p.command(t, "-c", p.config, "backfill", name, "--detach", "--chunk", troupeChunk).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// mine selects what a daemon holds.
func (s *serving) mine() string {
	return fmt.Sprintf("holder LIKE '%%/%d/%%'", s.cmd.Process.Pid)
}

// holder finds a daemon that holds a claim. Where all is done both jobs are handed out anew.
func (p *troupe) holder(t *testing.T) int {
	t.Helper()
	for {
		held := scalar(t, p.database, "SELECT string_agg(DISTINCT holder, ' ') FROM syncd.claim WHERE holder IS NOT NULL")
		first := p.dice.IntN(len(p.daemons))
		for i := range p.daemons {
			if at := (first + i) % len(p.daemons); strings.Contains(held, fmt.Sprintf("/%d/", p.daemons[at].cmd.Process.Pid)) {
				return at
			}
		}
		if scalar(t, p.database, "SELECT count(*) FROM syncd.backfill WHERE state NOT IN ('succeeded', 'cancelled')") == "0" {
			p.fill(t)
		}
	}
}

// kill kills a holder; another takes its place.
func (p *troupe) kill(t *testing.T) {
	t.Helper()
	at := p.holder(t)
	d := p.daemons[at]
	d.signal(t, syscall.SIGKILL)
	<-d.done
	p.killed++
	p.age(t, d)
	p.daemons[at] = p.another(t)
}

// age makes the claims of a daemon look silent for a minute.
func (p *troupe) age(t *testing.T, d *serving) {
	t.Helper()
	statement(t, p.database, "UPDATE syncd.claim SET beat_at = beat_at - interval '1 minute' WHERE "+d.mine())
}

// freeze stops a holder outside of a transaction until all that it held was taken, and lets it go on.
func (p *troupe) freeze(t *testing.T) {
	t.Helper()
	for {
		d := p.daemons[p.holder(t)]
		d.signal(t, syscall.SIGSTOP)
		if !p.outside(t, d) {
			d.signal(t, syscall.SIGCONT)
			continue
		}
		p.frozen++
		p.age(t, d)
		p.awaits(t, "0", "SELECT count(*) FROM syncd.claim WHERE "+d.mine())
		d.signal(t, syscall.SIGCONT)
		return
	}
}

// outside reports whether a daemon that was stopped holds claims and no lock on any.
func (p *troupe) outside(t *testing.T, d *serving) bool {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Super(p.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var held, free int
	err = conn.QueryRow(ctx, "SELECT count(*), (SELECT count(*) FROM (SELECT FROM syncd.claim WHERE "+d.mine()+" FOR UPDATE SKIP LOCKED) AS f) FROM syncd.claim WHERE "+d.mine()).Scan(&held, &free)
	if err != nil {
		t.Fatal(err)
	}
	return held > 0 && held == free
}

// last brings a database to the source's present, by one process.
func (p *troupe) last(t *testing.T, database string) {
	t.Helper()
	w := p.on(database)
	if out, err := w.command(t, "-c", p.config, "sync", "--all").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// overlaps walks through what was witnessed and counts the batches of runs beside which another held a claim that excludes theirs.
func (p *troupe) overlaps(t *testing.T) (batches, overlaps int) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Super(p.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT what, job, chunk, coalesce(run_id, 0), coalesce(epoch, 0) FROM witness.seen ORDER BY no")
	if err != nil {
		t.Fatal(err)
	}
	held, epochs := map[string]map[string]int64{}, map[string]int64{} // run by job and chunk; epoch by both
	var what, job, chunk string
	var run, epoch int64
	_, err = pgx.ForEachRow(rows, []any{&what, &job, &chunk, &run, &epoch}, func() error {
		if held[job] == nil {
			held[job] = map[string]int64{}
		}
		switch what {
		case "batch":
			batches++
			if held[job][chunk] != run {
				overlaps++
				return nil
			}
			for other := range held[job] {
				if other != chunk && (other == "" || chunk == "") {
					overlaps++
				}
			}
			return nil
		case "take":
			held[job][chunk] = run
		case "free":
			delete(held[job], chunk)
		}
		if key := job + "\x00" + chunk; epoch < epochs[key] {
			overlaps++
		} else {
			epochs[key] = epoch
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return batches, overlaps
}
