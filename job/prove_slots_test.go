package job

import (
	"archive/zip"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
	"syncd/load"
	"syncd/schedule"
)

// TestNoSlotIsLostOrDoubled lets two replicas plan on Postgres through years of a fake clock that jumps, stands still, and steps
// back, while they are restarted and their machines suspended; then it compares what was recorded with what the wall clocks of all
// zones showed. SYNCD_SLOTS=all is every zone of the tz database over ten years (make prove-slots).
func TestNoSlotIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	p := &planning{
		chance: rand.New(rand.NewPCG(11, 6)), from: time.Date(2011, 6, 1, 12, 0, 0, 0, time.UTC), to: time.Date(2012, 6, 1, 0, 0, 0, 0, time.UTC),
		zones: []string{
			"UTC", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Tehran", "Africa/Casablanca", "Pacific/Apia",
			"Asia/Kathmandu", "Africa/Cairo", "Antarctica/Troll", "Europe/Moscow",
		},
	}
	if os.Getenv("SYNCD_SLOTS") == "all" {
		p.zones, p.to = everyZone(t), p.from.AddDate(10, 0, 0)
	}
	url := pgtest.New(t)
	p.w = warehouseAt(t, url)
	p.tidy = tidier(t, url)
	p.hire(t)
	p.live(t)
	lost, doubled, slots := p.compare(t)
	var ends []string
	for _, end := range []string{"succeeded", "failed", "skipped", "open"} {
		n := ask[int](t, p.w.Pool(), "SELECT count(*) FROM syncd.slot WHERE CASE WHEN state IN ('due', 'running') THEN 'open' ELSE state END = $1", end)
		ends = append(ends, fmt.Sprintf("%s %d", end, n))
	}
	t.Logf("zones %d, jobs %d, %s to %s, turns %d, restarts %d, suspensions over a day %d, steps back %d: slots %d, lost %d, doubled %d; %s",
		len(p.zones), len(p.jobs), p.from.Format(time.DateOnly), p.to.Format(time.DateOnly), p.turns, p.restarts, p.suspended, p.back, slots, lost, doubled,
		strings.Join(ends, ", "))
	if lost != 0 || doubled != 0 || slots == 0 {
		t.Errorf("slots %d, lost %d, doubled %d", slots, lost, doubled)
	}
	for what, query := range map[string]string{
		"slots that have no end":                       "SELECT count(*) FROM syncd.slot WHERE state IN ('due', 'running')",
		"slots skipped without a reason":               "SELECT count(*) FROM syncd.slot WHERE state = 'skipped' AND coalesce(reason, '') = ''",
		"slots skipped although all are to be made up": "SELECT count(*) FROM syncd.slot WHERE state = 'skipped' AND job LIKE 'all%' AND reason NOT LIKE 'the full run%'",
	} {
		if n := ask[int](t, p.w.Pool(), query); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

// planning is a world of jobs and two replicas.
type planning struct {
	w        *load.Warehouse
	chance   *rand.Rand
	zones    []string
	from, to time.Time
	now      clock
	jobs     []planningJob
	replicas [2]*Engine
	tidy     func()

	turns, restarts, suspended, back int
}

// planningJob is a job, and what its specs mean.
type planningJob struct {
	Planned
	zone       *time.Location
	sync, full meaning
}

// meaning is a spec, said once more for a reader of wall clocks.
type meaning struct {
	spec  string
	times []int // minutes of the day
	day   func(time.Time) bool
}

func everyDay(time.Time) bool { return true }

func syncMeanings() []meaning {
	var halves, quarters []int
	for h := 1; h <= 3; h++ {
		halves = append(halves, h*60, h*60+30)
	}
	for h := 0; h < 24; h += 6 {
		quarters = append(quarters, h*60+10)
	}
	return []meaning{
		{"30 2 * * *", []int{150}, everyDay},
		{"0,30 1-3 * * *", halves, everyDay},
		{"30 1 * * *", []int{90}, everyDay},
		{"0 0 * * *", []int{0}, everyDay},
		{"10 */6 * * *", quarters, everyDay},
		{"59 23 * * *", []int{1439}, everyDay},
		{"15 2 * * mon-fri", []int{135}, func(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }},
	}
}

func fullMeanings() []meaning {
	return []meaning{
		{"45 2 * * 0", []int{165}, func(d time.Time) bool { return d.Weekday() == time.Sunday }},
		{"0 3 1 * *", []int{180}, func(d time.Time) bool { return d.Day() == 1 }},
		{"5 0 29 2 *", []int{5}, func(d time.Time) bool { return d.Month() == time.February && d.Day() == 29 }},
	}
}

// hire makes a job for each zone.
func (p *planning) hire(t *testing.T) {
	t.Helper()
	syncs, fulls := syncMeanings(), fullMeanings()
	for i, name := range p.zones {
		zone, err := schedule.Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		j := planningJob{zone: zone, sync: syncs[i%len(syncs)], full: fulls[i/2%len(fulls)]}
		catchUp := []string{"latest", "all", "none"}[i%3]
		j.Planned = Planned{Name: fmt.Sprintf("%s_%03d", catchUp, i), Source: "clinic.main", CatchUp: catchUp}
		j.Schema = j.Name
		if j.Sync, err = schedule.Parse(j.sync.spec, zone); err != nil {
			t.Fatal(err)
		}
		if j.Planned.Full, err = schedule.Parse(j.full.spec, zone); err != nil {
			t.Fatal(err)
		}
		p.jobs = append(p.jobs, j)
	}
	for i := range p.replicas {
		p.start(i)
	}
}

func (p *planning) start(i int) {
	all := make([]Planned, len(p.jobs))
	for k, j := range p.jobs {
		all[k] = j.Planned
	}
	p.replicas[i] = NewEngine(Config{Warehouse: p.w, Jobs: all, Holder: fmt.Sprint("replica ", i), Log: quietLog(), Now: p.now.read})
}

// live lets the years go by.
func (p *planning) live(t *testing.T) {
	p.now.now = p.from
	p.turn(t, 0)
	for p.now.now.Before(p.to) {
		step := p.step()
		if step > 0 && p.now.now.Add(step).After(p.to) {
			step = p.to.Sub(p.now.now)
		}
		p.now.add(step)
		if p.chance.IntN(60) == 0 {
			p.start(p.chance.IntN(len(p.replicas)))
			p.restarts++
		}
		p.turn(t, p.chance.IntN(3))
		p.work(t, p.chance.IntN(5))
		if p.turns%50 == 0 {
			p.tidy()
		}
	}
	p.turn(t, 2)
	p.work(t, 1)
}

// tidier does what autovacuum does on a server that lives for years.
func tidier(t *testing.T, url string) func() {
	t.Helper()
	owner, err := pgx.Connect(t.Context(), pgtest.Super(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close(context.WithoutCancel(t.Context())) })
	return func() {
		if _, err := owner.Exec(t.Context(), "VACUUM (ANALYZE) syncd.slot"); err != nil {
			t.Fatal(err)
		}
	}
}

// step is how far the clock moves until the next turn: planners look every few seconds, are stopped at night, suspended for weeks.
func (p *planning) step() time.Duration {
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(p.chance.Int64N(int64(high-low)))
	}
	switch n := p.chance.IntN(100); {
	case n < 4:
		p.back++
		return -between(time.Millisecond, 5*time.Minute)
	case n < 40:
		return between(time.Second, 90*time.Minute)
	case n < 75:
		return between(time.Hour, 24*time.Hour)
	case n < 95:
		p.suspended++
		return between(24*time.Hour, 7*24*time.Hour)
	}
	p.suspended++
	return between(7*24*time.Hour, 28*24*time.Hour)
}

// turn lets one of the replicas plan, or both at once.
func (p *planning) turn(t *testing.T, who int) {
	t.Helper()
	p.turns++
	planning := p.replicas[:]
	if who < len(p.replicas) {
		planning = p.replicas[who : who+1]
	}
	var all sync.WaitGroup
	for _, e := range planning {
		all.Go(func() {
			if _, err := e.plan(t.Context()); err != nil {
				t.Errorf("plan: %v", err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// work stands for the runs: what is due is done, is begun, or waits; what was begun is done, or was lost and is due again.
func (p *planning) work(t *testing.T, how int) {
	t.Helper()
	switch how {
	case 0: // nobody does anything
	case 2:
		do(t, p.w.Pool(), "UPDATE syncd.slot SET state = 'running' WHERE state = 'due'")
	case 3:
		do(t, p.w.Pool(), "UPDATE syncd.slot SET state = 'due' WHERE state = 'running'")
	default:
		do(t, p.w.Pool(), "UPDATE syncd.slot SET state = 'succeeded', ended_at = clock_timestamp() WHERE state IN ('due', 'running')")
	}
}

// compare reads what was recorded and counts what the wall clocks showed beyond it, and what was recorded beyond that.
func (p *planning) compare(t *testing.T) (lost, doubled, slots int) {
	t.Helper()
	rows, err := p.w.Pool().Query(t.Context(), "SELECT job, kind, slot_at FROM syncd.slot ORDER BY job, kind, slot_at")
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[[2]string][]int64{}
	var job, kind string
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&job, &kind, &at}, func() error {
		k := [2]string{job, kind}
		recorded[k] = append(recorded[k], at.Unix())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, j := range p.jobs {
		shown := showings(j.zone, p.from, p.to, j.sync, j.full)
		for i, kind := range []string{Sync, Full} {
			have := recorded[[2]string{j.Name, kind}]
			missing, extra := differ(shown[i], have)
			if missing+extra > 0 {
				t.Errorf("%s in %s: of %d slots %d are lost, %d doubled", []string{j.sync.spec, j.full.spec}[i], j.zone, len(shown[i]), missing, extra)
			}
			lost, doubled, slots = lost+missing, doubled+extra, slots+len(have)
		}
	}
	return lost, doubled, slots
}

// differ counts what only one of two sorted lists has.
func differ(want, have []int64) (missing, extra int) {
	for len(want) > 0 || len(have) > 0 {
		switch {
		case len(have) == 0 || len(want) > 0 && want[0] < have[0]:
			missing, want = missing+1, want[1:]
		case len(want) == 0 || have[0] < want[0]:
			extra, have = extra+1, have[1:]
		default:
			want, have = want[1:], have[1:]
		}
	}
	return missing, extra
}

// showings watches a wall clock go by, minute for minute, and notes when it first showed what each meaning says, or jumped over it.
// It knows nothing of package schedule.
func showings(zone *time.Location, from, to time.Time, meanings ...meaning) [][]int64 {
	due := make([][]int64, len(meanings))
	at := make([][1440]bool, len(meanings))
	for i, m := range meanings {
		for _, minute := range m.times {
			at[i][minute] = true
		}
	}
	begin := from.Add(-72*time.Hour).Unix() / 60 // so that what is shown twice was seen before
	offsets := offsetsOf(zone, begin, to.Unix()/60)
	shown := begin + offsets.at(begin)
	for minute := begin; minute <= to.Unix()/60; minute++ {
		now := minute + offsets.at(minute)
		for shown < now {
			shown++
			for i, m := range meanings {
				if !at[i][shown%1440] || !m.day(time.Unix(shown*60, 0).UTC()) || minute*60 <= from.Unix() {
					continue
				}
				if n := len(due[i]); n == 0 || due[i][n-1] != minute*60 {
					due[i] = append(due[i], minute*60)
				}
			}
		}
	}
	return due
}

// periods are the times of one offset from UTC, in minutes.
type periods struct {
	ends, offsets []int64
	here          int
}

func (p *periods) at(minute int64) int64 {
	for minute >= p.ends[p.here] {
		p.here++
	}
	return p.offsets[p.here]
}

// offsetsOf finds where a zone's offset changes by asking every half hour, and then every minute of it.
func offsetsOf(zone *time.Location, from, to int64) *periods {
	offset := func(minute int64) int64 {
		_, seconds := time.Unix(minute*60, 0).In(zone).Zone()
		return int64(seconds) / 60
	}
	p := &periods{}
	for minute, last := from, offset(from); minute <= to; minute += 30 {
		if offset(minute+30) == last {
			continue
		}
		for m := minute; m <= minute+30; m++ {
			if now := offset(m); now != last {
				p.ends, p.offsets = append(p.ends, m), append(p.offsets, last)
				last = now
			}
		}
	}
	p.ends, p.offsets = append(p.ends, 1<<62), append(p.offsets, offset(to+30))
	return p
}

// everyZone lists the zones of the tz database that Go brings, or else of the machine's.
func everyZone(t *testing.T) []string {
	t.Helper()
	var names []string
	root, _ := exec.Command("go", "env", "GOROOT").Output()
	if z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip")); err == nil {
		defer z.Close()
		for _, f := range z.File {
			names = append(names, f.Name)
		}
	} else {
		const dir = "/usr/share/zoneinfo"
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				names = append(names, strings.TrimPrefix(path, dir+"/"))
			}
			return nil
		})
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		_, err := schedule.Zone(name)
		return err != nil || strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
	})
	if len(names) < 400 {
		t.Fatalf("%d time zones found: install the tz database (Debian: tzdata) or run with Go's own", len(names))
	}
	return names
}
