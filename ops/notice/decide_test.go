package notice

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/load"
)

// world is a ledger in memory: what decide wrote is what it is given next time.
type world struct {
	t        testing.TB
	s        load.Standing
	rules    *Rules
	messages []Message
	takers   []string
}

func newWorld(t testing.TB, jobs int) *world {
	w := &world{t: t, rules: &Rules{
		Jobs: map[string]Job{}, Receivers: map[string]Receiver{"ward": {SilentAfter: 2 * time.Hour}}, Host: "etl", Notifiers: []Notifier{{Name: "ops"}},
	}}
	w.s.Now = time.Date(2026, 3, 1, 2, 15, 0, 0, time.UTC)
	for i := range jobs {
		name := fmt.Sprintf("job%03d", i)
		w.rules.Jobs[name] = Job{FreshWithin: 26 * time.Hour}
		fresh := w.s.Now.Add(-24 * time.Hour)
		w.s.Jobs = append(w.s.Jobs, load.JobStanding{Job: name, Source: "redcap.main", FirstSeen: w.s.Now.Add(-240 * time.Hour), FreshAt: &fresh})
	}
	return w
}

// minute lets a minute pass and has decide look.
func (w *world) minute() {
	w.t.Helper()
	w.s.Now = w.s.Now.Add(time.Minute)
	d, err := decide(w.s, w.rules)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range d.Notices {
		if n.ID == 0 {
			n.ID = int64(len(w.s.Notices) + 1)
			w.s.Notices = append(w.s.Notices, n)
		} else {
			w.s.Notices[slices.IndexFunc(w.s.Notices, func(o load.Notice) bool { return o.ID == n.ID })] = n
		}
	}
	for _, m := range d.Messages {
		var message Message
		if err := json.Unmarshal(m.Body, &message); err != nil {
			w.t.Fatal(err)
		}
		w.messages, w.takers = append(w.messages, message), append(w.takers, m.Notifier)
	}
}

func (w *world) minutes(n int) {
	w.t.Helper()
	for range n {
		w.minute()
	}
}

func (w *world) titles() []string {
	var all []string
	for _, m := range w.messages {
		all = append(all, m.Title)
	}
	return all
}

func (w *world) want(titles ...string) {
	w.t.Helper()
	if got := w.titles(); !slices.Equal(got, titles) {
		w.t.Fatalf("told:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(titles, "\n  "))
	}
}

func (w *world) fall() {
	w.s.Down = []load.Outage{{Source: "redcap.main", Failure: "status 503", Since: w.s.Now, At: w.s.Now}}
}

// fail ends the last run of a job as failed.
func (w *world) fail(job, kind string, run int64) {
	w.s.Runs = slices.DeleteFunc(w.s.Runs, func(r load.RunStanding) bool { return r.Job == job })
	w.s.Runs = append(w.s.Runs, load.RunStanding{Job: job, Kind: "sync", RunID: run, State: load.Failed, ErrorKind: kind, Began: w.s.Now.Add(-time.Minute), End: w.s.Now})
}

func (w *world) succeed(job string, run int64) {
	w.s.Runs = slices.DeleteFunc(w.s.Runs, func(r load.RunStanding) bool { return r.Job == job })
	w.s.Runs = append(w.s.Runs, load.RunStanding{Job: job, Kind: "sync", RunID: run, State: load.Succeeded, Verdict: load.Proven, Began: w.s.Now, End: w.s.Now})
	for i := range w.s.Jobs {
		if w.s.Jobs[i].Job == job {
			now := w.s.Now
			w.s.Jobs[i].FreshAt, w.s.Jobs[i].Due = &now, 0
		}
	}
}

func TestASourceThatIsDownFor150JobsIsTwoMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 150)
	w.minute()
	for i := range 3 { // they opened the circuit, and are to be run again
		w.fail(w.s.Jobs[i].Job, "transient", int64(i+1))
		w.s.Runs[i].Again = true
	}
	w.fall()
	for i := range w.s.Jobs {
		w.s.Jobs[i].Due = 1
	}
	w.minutes(8 * 60) // long enough for all to be stale, and for slots to have waited longer than retry_for
	for _, j := range w.s.Jobs[:20] {
		w.s.Slots = append(w.s.Slots, load.SlotStanding{Job: j.Job, Kind: "sync", At: w.s.Now.Add(-6 * time.Hour), Ended: w.s.Now})
	}
	for i := range w.s.Jobs[:20] {
		w.s.Jobs[i].Due = 0
		w.s.Jobs[i].FreshAt = &w.s.Now // these are not stale either
	}
	w.minutes(5)
	w.s.Down = nil
	for i, j := range w.s.Jobs[20:] { // at one every twenty seconds they are done within the hour
		w.succeed(j.Job, int64(i+100))
		if i%3 == 0 {
			w.minute()
		}
	}
	w.minutes(60)
	w.want("redcap.main is down (150 jobs wait)", "redcap.main is back after 8 h 6 min")
	if item := w.messages[1].Items[0]; item.Ended == nil || item.Ended.Sub(item.Began) < 8*time.Hour {
		t.Errorf("the end does not say how long it lasted: %+v", item)
	}
}

func TestABurstOfFailedJobsIsOneMessageAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 150)
	for i, j := range w.s.Jobs { // within four minutes
		w.fail(j.Job, "auth", int64(i+1))
		if i%40 == 39 {
			w.minute()
		}
	}
	w.minutes(20)
	for i, j := range w.s.Jobs {
		w.succeed(j.Job, int64(i+1000))
	}
	w.minutes(20)
	w.want("150 jobs failed", "150 jobs run again")
	if text := w.messages[0].Text; strings.Count(text, "\n") != mostLines || !strings.Contains(text, "and 130 more: syncd status") || !strings.Contains(text, "next: syncd run 1\n") {
		t.Errorf("text: %s", text)
	}
}

func TestWhatLastsIsToldAgainOnceADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.rules.Jobs["job000"], w.rules.Jobs["job001"] = Job{}, Job{}
	w.fail("job000", "config", 7)
	w.minutes(5 * 24 * 60)
	if n := len(w.messages); n != 5 {
		t.Fatalf("%d messages in five days: %v", n, w.titles())
	}
	if m := w.messages[4]; !m.Items[0].Again || m.Items[0].Next != "syncd check job000" || !strings.Contains(m.Text, "misconfigured") {
		t.Errorf("%+v", m)
	}
	w.minutes(12 * 60)
	w.fail("job001", "auth", 8) // another one is told at once, and does not bring the first again before its day
	w.minutes(30)
	if last := w.messages[len(w.messages)-1]; last.Title != "job001 failed" {
		t.Errorf("%+v", last)
	}
}

func TestWhatIsOverBeforeItWasToldIsNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.rules.Jobs["job000"] = Job{}
	for range 50 { // a server that comes and goes within the minute
		w.fall()
		w.minute()
		w.s.Down = nil
		w.minute()
	}
	w.want()
	w.fall()
	w.minutes(3)
	w.s.Down = nil
	w.minute() // not settled yet when it falls again: it is one outage
	w.fall()
	w.minutes(10)
	w.s.Down = nil
	w.minutes(10)
	w.want("redcap.main is down (0 jobs wait)", "redcap.main is back after 15 min")
}

func TestEachCauseSaysWhatToType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	now := w.s.Now
	old := now.Add(-30 * time.Hour)
	quarter := now.Add(6 * 24 * time.Hour)
	w.s.Jobs[0].FreshAt = &old
	w.s.Jobs[1].Rejects, w.s.Jobs[1].RejectedAt = 3, now
	w.s.Jobs[2].Pending, w.s.Jobs[2].PendingAt = 2, now
	w.s.Runs = []load.RunStanding{
		{Job: "job003", Kind: "sync", RunID: 41, State: load.Held, ErrorKind: "held", Held: 25, Began: now, End: now},
		{Job: "job004", Kind: "full", RunID: 42, State: load.Succeeded, Verdict: load.Mismatch, Began: now, End: now},
		{Job: "job005", Kind: "full", RunID: 43, State: load.Failed, ErrorKind: "auth", Began: now, End: now},
		{Job: "job005", Kind: "sync", RunID: 44, State: load.Succeeded, Verdict: load.Proven, Began: now, End: now}, // does not make it good
		{Job: "gone", Kind: "sync", RunID: 45, State: load.Failed, ErrorKind: "auth", Began: now, End: now},         // not in jobs.toml
	}
	last := now.Add(-3 * time.Hour)
	w.s.Receivers = []load.Receiver{{Name: "ward", LastProduction: &last}, {Name: "other", LastProduction: &old}}
	w.s.Refused = []load.Refused{{Receiver: "ward", Deliveries: 4, LastAt: now}}
	w.s.Sightings = []load.Sighting{
		{Cause: string(Misconfigured), Subject: "ward", SeenAt: now},
		{Cause: string(Certificate), Subject: "serve", SeenAt: now, ExpiresAt: &quarter},
		{Cause: string(Account), Subject: "job001", SeenAt: now, ExpiresAt: &quarter},
		{Cause: string(Account), Subject: "gone", SeenAt: now, ExpiresAt: &quarter},
	}
	w.minutes(5)
	w.want("ward is misconfigured and answers 503", "ward is silent: nothing is pushed", "2 jobs failed", "job003 is held: 25 deletions wait for approval",
		"job000 is stale", "2 jobs and receivers have rejects (7 are open)", "2 changes of structure pending in job002", "the certificate of serve ends soon",
		"the account by which job001 reads ends soon")
	if text := w.messages[4].Text; text != "job000: no good run since 2026-02-27 20:15 UTC, since 2026-02-28 22:15 UTC; next: syncd status" {
		t.Error(text)
	}
	for i, next := range []string{
		"syncd check ward", "syncd check ward --public URL", "syncd run 42, then syncd sync job004 --full", "syncd run 41, and if it is right: syncd approve 41", "syncd status",
		"syncd rejects job001", "syncd plan", "syncd check", "have REDCap's administrator prolong",
	} {
		if !strings.Contains(w.messages[i].Text, "next: "+next) {
			t.Errorf("%s does not say %q:\n%s", w.messages[i].Title, next, w.messages[i].Text)
		}
	}
}

func TestPeopleAreToldOfACertificateFiveTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	ends := w.s.Now.Add(40 * 24 * time.Hour)
	w.s.Sightings = []load.Sighting{{Cause: string(Certificate), Subject: "serve", SeenAt: w.s.Now, ExpiresAt: &ends}}
	var left []int64
	for range 45 * 24 * 60 {
		if w.minute(); len(w.messages) > len(left) {
			left = append(left, w.messages[len(left)].Items[0].Count)
		}
	}
	if !slices.Equal(left, []int64{30, 14, 7, 1, -1}) {
		t.Errorf("told with so many days left: %v", left)
	}
}

func TestRejectsAreToldAgainOnlyWhenTheyGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.rules.Jobs["job000"] = Job{}
	w.s.Jobs[0].Rejects = 2
	w.minutes(3 * 24 * 60)
	w.want("job000 has rejects (2 are open)")
	w.s.Jobs[0].Rejects = 5
	w.minutes(10)
	w.s.Jobs[0].Rejects = 9
	w.minutes(23 * 60)
	w.want("job000 has rejects (2 are open)", "job000 has rejects (5 are open)")
	w.minutes(2 * 60)
	w.want("job000 has rejects (2 are open)", "job000 has rejects (5 are open)", "job000 has rejects (9 are open)")
}

func TestANotifierIsToldOfItsCausesOnlyAndALateOneOfWhatHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.rules.Notifiers = nil
	w.fail("job000", "auth", 1)
	w.fall()
	w.minutes(10)
	w.want()
	w.s.Runs[0].ErrorKind = "tls"
	w.rules.Notifiers = []Notifier{{Name: "outages", Only: []Cause{SourceDown}}, {Name: "all"}}
	w.minutes(10)
	if got := fmt.Sprint(w.titles(), w.takers); got != "[redcap.main is down (0 jobs wait) redcap.main is down (0 jobs wait)] [outages all]" {
		t.Error(got)
	}
}

func TestAPausedJobIsNeitherStaleNorFreshAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	old := w.s.Now.Add(-30 * time.Hour)
	w.s.Jobs[0].FreshAt, w.s.Jobs[0].Paused = &old, true
	w.s.Jobs[1].FreshAt = &old
	w.minutes(10)
	w.s.Jobs[1].Paused = true
	w.minutes(3 * 24 * 60)
	w.want("job001 is stale")
	w.s.Jobs[0].Paused = false
	w.minutes(10)
	w.want("job001 is stale", "job000 is stale")
}

func TestABackfillThatFailedIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.s.Backfills = []load.FailedBackfill{{Job: "job000", ID: 7, At: w.s.Now}}
	w.minutes(3)
	w.s.Backfills = nil
	w.minutes(3)
	w.want("job000 failed", "job000 runs again after 4 min")
	if !strings.Contains(w.messages[0].Text, "backfill 7 failed, since 2026-03-01 02:15 UTC; next: syncd backfill list job000") {
		t.Error(w.messages[0].Text)
	}
}

func TestADrainThatWorksAgainIsNoFailureThoughItsHourIsNotOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.rules.Jobs["ward"] = Job{}
	began := w.s.Now
	w.s.Jobs = []load.JobStanding{{Job: "ward", Source: "redox.ward", FirstSeen: began}}
	w.s.Runs = []load.RunStanding{{Job: "ward", Kind: "drain", RunID: 1, State: load.Failed, ErrorKind: "postgres", Began: began, End: began}}
	w.minutes(5)
	began = w.s.Now
	w.s.Jobs[0].UnderWay = &began
	w.minutes(5)
	w.want("ward failed", "ward runs again after 6 min")
}

// Whatever happens: a subject is told once a day at most while a cause lasts, an end only after its beginning, and messages about
// failing jobs are a quarter of an hour apart.
func TestMessagesAreFew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, 12)
		run := int64(0)
		for range rapid.IntRange(10, 40).Draw(rt, "steps") {
			job := rapid.SampledFrom(w.s.Jobs).Draw(rt, "job").Job
			run++
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0, 1:
				w.fail(job, rapid.SampledFrom([]string{"auth", "transient", "config"}).Draw(rt, "kind"), run)
			case 2:
				w.succeed(job, run)
			case 3:
				w.fall()
			case 4:
				w.s.Down = nil
			}
			w.minutes(rapid.SampledFrom([]int{1, 1, 2, 7, 40}).Draw(rt, "minutes"))
			for range rapid.SampledFrom([]int{0, 0, 10, 70}).Draw(rt, "long") { // nobody looked every minute
				w.s.Now = w.s.Now.Add(9 * time.Minute)
				w.minute()
			}
		}
		checkFew(rt, w.messages)
	})
}

func checkFew(t *rapid.T, messages []Message) {
	type key struct {
		cause   Cause
		subject string
	}
	holds, last := map[key]time.Time{}, map[string]time.Time{}
	for _, m := range messages {
		group := string(m.Cause) + string(m.State)
		if before, ok := last[group]; ok && m.At.Sub(before) < m.Cause.manner().gap {
			t.Fatalf("%s %s: messages at %s and %s", m.Cause, m.State, before, m.At)
		}
		last[group] = m.At
		for _, item := range m.Items {
			k := key{m.Cause, item.Subject}
			told, ok := holds[k]
			switch {
			case m.State == Ended && !ok:
				t.Fatalf("the end of %v is told, which was never told", k)
			case m.State == Ended:
				delete(holds, k)
			case ok && m.Cause.manner().ends && m.At.Sub(told) < daily:
				t.Fatalf("%v is told at %s and at %s", k, told, m.At)
			default:
				holds[k] = m.At
			}
		}
	}
}
