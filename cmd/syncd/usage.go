package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract/upstream"
	"syncd/internal/config"
	"syncd/load"
)

// usageReport is what `syncd usage` prints: what the administrator of a server wants to know of its load.
type usageReport struct {
	Source            string     `json:"source"`
	URL               string     `json:"url"`
	Since             time.Time  `json:"since"`
	Until             time.Time  `json:"until"`
	RequestsPerMinute int        `json:"requests_per_minute"`           // the budget; 0: none
	RequestsPerSecond int        `json:"requests_per_second,omitempty"` // of a campus: the budget in the words of its key
	HighestMinute     int64      `json:"highest_minute"`                // most requests in a minute, each run's spread over its time
	HighestAt         *time.Time `json:"highest_at,omitempty"`
	UserAgent         string     `json:"user_agent"`
	Contact           string     `json:"contact,omitempty"`
	Days              []usageDay `json:"days"`
	Total             usageDay   `json:"total"`
}

// usageDay is what the runs of a job cost that began on a day of the server's zone.
type usageDay struct {
	Job      string `json:"job,omitempty"`
	Day      string `json:"day,omitempty"`
	Runs     int64  `json:"runs"`
	Requests int64  `json:"requests"`
	Bytes    int64  `json:"bytes"`
	LogRows  int64  `json:"log_rows"`
	Busiest  string `json:"busiest_hour,omitempty"` // its beginning: 02:00
	InHour   int64  `json:"busiest_hour_requests"`
}

// usageCommand is the paper for the administrator of a server.
func (c *cli) usageCommand() *cobra.Command {
	var since string
	cmd := c.reading(&cobra.Command{
		Use:   "usage SOURCE",
		Short: "for the administrator of a server: requests, bytes and log rows by job and day, and the budget they keep to",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			server, err := sourceOf(cfg, args[0])
			if err != nil {
				return err
			}
			from, err := parseSince(since, c.Now(), server.zone)
			if err != nil {
				return err
			}
			return c.toRead(func(_ *config.Config, w *load.Warehouse) error {
				runs, err := w.Usage(c.ctx, args[0], from)
				if err != nil {
					return err
				}
				return c.printUsage(newUsageReport(server, from, c.Now(), runs))
			})
		},
	})
	cmd.Flags().StringVar(&since, "since", "7d", "from when on: 12h, 7d, or a date of the server's zone such as 2026-11-01")
	return cmd
}

// asked is a server as its administrator knows it.
type asked struct {
	source, url, contact string
	perMinute, perSecond int
	zone                 *time.Location
}

// sourceOf finds the server of a source. The error says which there are.
func sourceOf(cfg *config.Config, source string) (asked, error) {
	family, name, _ := strings.Cut(source, ".")
	if s := cfg.Servers[name]; s != nil && family == "redcap" {
		return asked{source: source, url: s.URL, contact: s.Contact, perMinute: s.RequestsPerMinute, zone: s.Zone}, nil
	}
	if s := cfg.Campuses[name]; s != nil && family == "engage" {
		a := asked{source: source, url: s.URL, contact: s.Contact, perSecond: s.RequestsPerSecond, zone: s.Zone}
		if a.perSecond > 0 {
			a.perMinute = 60*a.perSecond + burst
		}
		return a, nil
	}
	names := cfg.Sources()
	if len(names) == 0 {
		return asked{}, usage("no source %q in %s, nor any other", source, cfg.Files[0])
	}
	return asked{}, usage("no source %q in %s; there is %s", source, cfg.Files[0], strings.Join(names, ", "))
}

// longestSince keeps arithmetic with days safe.
const longestSince = 100_000

// parseSince reads a span of hours, minutes or days back from now, or a date.
func parseSince(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if date, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil && date.Before(now) {
		return date, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= longestSince {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usage("--since %q: 12h, 7d, or a date that is past such as 2026-11-01", text)
}

func newUsageReport(server asked, since, until time.Time, runs []load.Usage) *usageReport {
	r := &usageReport{
		Source: server.source, URL: server.url, Since: since.In(server.zone), Until: until.In(server.zone),
		RequestsPerMinute: server.perMinute, RequestsPerSecond: server.perSecond,
		UserAgent: upstream.Agent(version, server.contact), Contact: server.contact,
	}
	minutes, hours, all := pressure{}, map[int]pressure{}, pressure{}
	for _, run := range runs {
		day := run.From.In(server.zone).Format(time.DateOnly)
		if n := len(r.Days); n == 0 || r.Days[n-1].Job != run.Job || r.Days[n-1].Day != day {
			hours[n] = pressure{}
			r.Days = append(r.Days, usageDay{Job: run.Job, Day: day})
		}
		n := len(r.Days) - 1
		r.Days[n].add(run)
		r.Total.add(run)
		minutes.spread(run, time.Minute)
		hours[n].spread(run, time.Hour)
		all.spread(run, time.Hour)
	}
	for n := range r.Days {
		r.Days[n].busiest(hours[n], server.zone, "15:04")
	}
	r.Total.busiest(all, server.zone, "2006-01-02 15:04")
	if at, n := minutes.highest(); n > 0 {
		at = at.In(server.zone)
		r.HighestAt, r.HighestMinute = &at, n
	}
	return r
}

func (d *usageDay) add(run load.Usage) {
	d.Runs++
	d.Requests += run.Requests
	d.Bytes += run.Bytes
	d.LogRows += run.LogRows
}

func (d *usageDay) busiest(l pressure, zone *time.Location, layout string) {
	if at, n := l.highest(); n > 0 {
		d.Busiest, d.InHour = at.In(zone).Format(layout), n
	}
}

// pressure is a number of requests by the beginning of a stretch of time, in seconds since 1970.
type pressure map[int64]float64

// spread spreads the requests of a run evenly over its time: the ledger does not know when each was sent.
func (l pressure) spread(run load.Usage, stretch time.Duration) {
	took := run.To.Sub(run.From)
	for at := run.From.Truncate(stretch); ; at = at.Add(stretch) {
		end := at.Add(stretch)
		if took <= 0 || !end.Before(run.To) && !at.After(run.From) {
			l[at.Unix()] += float64(run.Requests)
			return
		}
		from, to := at, end
		if from.Before(run.From) {
			from = run.From
		}
		if to.After(run.To) {
			to = run.To
		}
		l[at.Unix()] += float64(run.Requests) * float64(to.Sub(from)) / float64(took)
		if !end.Before(run.To) {
			return
		}
	}
}

// highest returns the first of the stretches with the most requests.
func (l pressure) highest() (at time.Time, n int64) {
	for _, second := range slices.Sorted(maps.Keys(l)) {
		if here := int64(math.Ceil(l[second] - 1e-6)); here > n {
			at, n = time.Unix(second, 0), here
		}
	}
	return at, n
}

func (c *cli) printUsage(r *usageReport) error {
	g := &grid{head: []string{"job", "day", "runs", "requests", "bytes", "log rows", "busiest hour", "requests in it"}, value: r}
	for _, d := range r.Days {
		g.add(d.Job, d.Day, count(d.Runs), count(d.Requests), count(d.Bytes), count(d.LogRows), d.Busiest, count(d.InHour))
	}
	if c.output == "csv" { // for a sheet that adds up by itself
		return g.print(c.Stdout, c.output)
	}
	t := r.Total
	g.add("total", "", count(t.Runs), count(t.Requests), count(t.Bytes), count(t.LogRows), t.Busiest, count(t.InHour))
	if c.output == "table" {
		c.printUsageHead(r)
	}
	return g.print(c.Stdout, c.output)
}

func (c *cli) printUsageHead(r *usageReport) {
	at := func(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }
	budget := "no limit: the server is on this machine"
	switch {
	case r.RequestsPerSecond > 0:
		budget = fmt.Sprintf("%s requests a second, %d at once after a pause, one at a time, all jobs together", count(int64(r.RequestsPerSecond)), burst)
	case r.RequestsPerMinute > 0:
		budget = fmt.Sprintf("%s requests in any minute, 2 at once, all jobs together", count(int64(r.RequestsPerMinute)))
	}
	highest := "none"
	if r.HighestAt != nil {
		highest = fmt.Sprintf("%s requests in the minute of %s, each run's requests spread over its time", count(r.HighestMinute), at(*r.HighestAt))
		if r.RequestsPerMinute > 0 {
			highest += fmt.Sprintf(" (%d %% of the budget)", r.HighestMinute*100/int64(r.RequestsPerMinute))
		}
	}
	for _, line := range [][2]string{
		{"source", r.Source + " " + r.URL},
		{"from", at(r.Since) + " until " + at(r.Until)},
		{"budget", budget},
		{"highest use", highest},
		{"user agent", r.UserAgent},
		{"contact", r.Contact},
	} {
		if line[1] != "" {
			fmt.Fprintf(c.Stdout, "%-12s %s\n", line[0], line[1])
		}
	}
	fmt.Fprintln(c.Stdout)
}
