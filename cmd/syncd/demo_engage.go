package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"syncd/internal/config"
	"syncd/internal/fake/engage"
	"syncd/load"
)

// The campus of the demo.
const (
	demoCampus      = "university"
	demoMemberships = 3000
	demoHappenings  = 120 // between its two runs
)

// serveCampus makes the campus and answers for it.
func (d *demo) serveCampus() (*servedFake, error) {
	d.campus = campusOf(demoMemberships, 7, d.Now())
	return serveHandler(&fakeListener{address: "127.0.0.1:0"}, "/engage/api/", engage.NewServer(d.campus, engage.Options{Clock: d.Now, Keys: []engage.Key{campusKey("sha256", "")}}))
}

// writeCampus writes the campus's keys, and returns its part of jobs.toml.
func (d *demo) writeCampus(url string) (string, error) {
	key := campusKey("", "")
	for name, value := range map[string]string{"public": key.Public, "private": key.Private} {
		if err := os.WriteFile(filepath.Join(d.dir, "tokens", demoCampus+"-"+name), []byte(value+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("write key: %w", err)
		}
	}
	return fmt.Sprintf("[engage.%[1]s]   # a campus with organizations, members and events\nurl = %[2]q\nhash = \"sha256\"\npublic_key = \"file:tokens/%[1]s-public\"\n"+
		"private_key = \"file:tokens/%[1]s-private\"\nrequests_per_second = 0\n[engage.%[1]s.defaults]\nschedule = \"* * * * *\"\n[job.%[1]s]\nsource = \"engage.%[1]s\"\n", demoCampus, url), nil
}

// showCampus pulls the campus, lets things happen on it, and pulls what they changed.
func (d *demo) showCampus(ctx context.Context, inner *cli, cfg *config.Config, w *load.Warehouse) error {
	var has []string
	for _, name := range engage.Resources() {
		has = append(has, count(int64(d.campus.Live(name)))+" "+name)
	}
	d.say("\na campus of a fake Engage: %s", strings.Join(has, ", "))
	if err := inner.sync(cfg, w, []string{demoCampus}, syncing{}); err != nil {
		return err
	}
	d.say("\non the campus: %s\nthe next night:", happeningsOf(d.campus.Happen(demoHappenings)))
	if err := inner.sync(cfg, w, []string{demoCampus}, syncing{}); err != nil {
		return err
	}
	runs, err := w.Runs(ctx, load.RunFilter{Limit: 1})
	if err != nil {
		return err
	}
	detail, err := w.RunDetail(ctx, runs[0].RunID)
	if err != nil {
		return err
	}
	if err := d.printTouched(demoCampus, detail.Tables); err != nil {
		return err
	}
	d.say("\nthe commonest question, in one view:\n  select * from %s.current_member limit 5;", demoCampus)
	return nil
}

// happeningsOf counts what happened.
func happeningsOf(all []engage.Happening) string {
	times := map[string]int{}
	for _, h := range all {
		times[h.What]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(times)) {
		parts = append(parts, fmt.Sprintf("%d %s", times[what], what))
	}
	return strings.Join(parts, ", ")
}

// printTouched shows what was done to a schema's tables; side schemas are left out.
func (d *demo) printTouched(schema string, tables []load.RunTable) error {
	g := &grid{head: []string{"table", "new", "changed", "gone"}}
	for _, t := range tables {
		if t.Schema == schema && t.Inserted+t.Updated+t.Deleted > 0 {
			g.add(t.Table, count(t.Inserted), count(t.Updated), count(t.Deleted))
		}
	}
	return g.print(d.Stdout, "table")
}

// teach lets something happen on the campus every second. The func ends that.
func (d *demo) teach(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				d.campus.Happen(1)
			}
		}
	}()
	return func() { cancel(); <-done }
}
