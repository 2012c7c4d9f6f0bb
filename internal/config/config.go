// Package config reads jobs.toml, and the files that it includes, into one checked value.
//
// In come files; out comes a Config, or every problem of all files at once, each with its position. It promises that
// a key that is misspelt, doubled, of the wrong type or in contradiction with another is never replaced by a default:
// the configuration is used whole or not at all. Secrets stay where they are: a Config holds references to them, which
// are read at each use. No text that it makes, errors included, holds a secret's value, nor one that
// was written into the file by mistake.
//
// Three kinds of fault are told apart: the file's (Problems, of Load), a job's (Fault: a secret or file that is missing
// now; only that job stands still), and Postgres's, which is not known here.
package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"syncd/extract/engage"
	"syncd/extract/redcap"
	"syncd/extract/upstream"
	"syncd/schedule"
)

// Tags of the fields below and of the Config types of other packages: toml is the key; doc its sentence in
// docs/jobs.md; default its value where no file sets it; otherwise says in words what happens then; oneof lists the
// values it may have; path marks a file that is found from the folder of the file that names it; size a number of bytes
// that may be written with its unit; single a list that may be written as its only element; plain a secret in the place
// of which an id may stand that is none. A map of structs is a table of tables, each with a name.

// Config is a configuration that was found to be free of problems.
type Config struct {
	Include      []string `toml:"include" otherwise:"none" doc:"Further files to read, as glob patterns; what they name must not be named twice. Only the main file includes."`
	Timezone     string   `toml:"timezone" default:"UTC" doc:"Time zone of schedules and servers that name none."`
	Installation string   `toml:"installation" default:"default" doc:"Name of this installation. The database knows its own and refuses to work for another: a copy for trying things out gets a name of its own, here and with 'syncd adopt --as-clone'."`
	DataDir      string   `toml:"data_dir" path:"dir" otherwise:"none" doc:"Folder for what syncd keeps outside Postgres: the private Postgres itself."`

	Postgres  Postgres  `toml:"postgres"`
	Serve     Serve     `toml:"serve"`
	Retention Retention `toml:"retention"`
	Purge     Purge     `toml:"purge"`

	Servers   map[string]*Server   `toml:"-"` // by name: [redcap.NAME]
	Campuses  map[string]*Campus   `toml:"-"` // by name: [engage.NAME]
	Receivers map[string]*Receiver `toml:"-"` // by name: [redox.NAME]
	Jobs      map[string]*Job      `toml:"-"` // by name: [job.NAME]
	Notifiers map[string]*Notifier `toml:"-"` // by name: [notify.NAME]

	Zone  *time.Location `toml:"-"` // of Timezone
	Files []string       `toml:"-"` // the file given to Load, then what it includes
	Sum   string         `toml:"-"` // of the names and the text of Files: another one is another state of them

	set settings
}

// Postgres says where the warehouse is.
type Postgres struct {
	URL        Secret `toml:"url" otherwise:"required unless private is true" doc:"Reference to the URL of the warehouse's database. A URL without a password may stand here itself."`
	MigrateURL Secret `toml:"migrate_url" otherwise:"none: the role of url does all" doc:"Reference to the URL of the same database for the role that owns schema syncd and brings it to a new version. Without it the role of url does that too. 'syncd roles' makes the roles."`
	Private    bool   `toml:"private" default:"false" doc:"Run a Postgres of our own under data_dir instead; for trying out and for tests."`
	DDL        string `toml:"ddl" default:"apply" oneof:"apply,plan" doc:"apply: syncd makes and alters its tables. plan: it prints the statements for whoever owns the database, and alters nothing."`
}

// Serve says what the daemon listens on.
type Serve struct {
	Listen         string   `toml:"listen" default:"127.0.0.1:8080" doc:"Address (host:port) of the receivers. Nothing listens there where there is no [redox.NAME]."`
	Admin          string   `toml:"admin" default:"127.0.0.1:8081" doc:"Address (host:port) of the operators' page, of the health endpoints, of the metrics, and of 'syncd watch'. It is for this machine: whoever reaches it sees how jobs and receivers stand and when pushes come, and never what is in them."`
	CertFile       string   `toml:"cert_file" path:"file" otherwise:"none: plain HTTP, for a proxy in front that ends TLS" doc:"PEM file of the receivers' certificate with its whole chain. It is read again when it changes."`
	KeyFile        string   `toml:"key_file" path:"file" otherwise:"none" doc:"PEM file of the certificate's key."`
	TrustedProxies []string `toml:"trusted_proxies" otherwise:"none" doc:"Addresses or networks (10.0.0.0/8) of proxies in front. What they say of who called (X-Forwarded-For) is believed, and that of nobody else."`
	LogLevel       string   `toml:"log_level" default:"info" oneof:"debug,info,warn,error" doc:"From which level on the daemon writes its log. --log-level goes before it."`
	PublicURL      string   `toml:"public_url" otherwise:"none" doc:"URL by which Redox reaches the receivers, without their path: audience of assertions to our token endpoints, and host that signatures are made for."`

	Proxies []netip.Prefix `toml:"-"` // of TrustedProxies
}

// Server is one REDCap server. Its request budget is shared by all its jobs.
type Server struct {
	URL               string `toml:"url" otherwise:"required" doc:"URL of the API, with the slash at its end. Plain http is accepted for this machine only."`
	Timezone          string `toml:"timezone" otherwise:"the timezone at top level" doc:"Time zone of the server's wall clock."`
	RequestsPerMinute int    `toml:"requests_per_minute" default:"60" doc:"Most requests a minute that all jobs of this server send together; 0 lifts the limit, for this machine only."`
	Tokens            string `toml:"tokens" otherwise:"none" doc:"dir:PATH, a folder of tokens: that of job NAME is the file NAME. A token in the job goes before it."`
	upstream.Config

	Name string         `toml:"-"`
	Zone *time.Location `toml:"-"` // of Timezone

	tokens string // the folder, as a path
	node   *node
	set    settings
}

// Job is one REDCap project, or one Engage campus, that is pulled into one schema, defaults filled in.
type Job struct {
	Source           string        `toml:"source" otherwise:"required" doc:"What is pulled: redcap.NAME or engage.NAME."`
	Schedule         string        `toml:"schedule" otherwise:"none: the job runs by hand only" doc:"When the job is due: five cron fields, @hourly, @daily, @weekly, @monthly, @yearly or @every 30m. CRON_TZ=Zone in front overrides the zone."`
	Full             string        `toml:"full" otherwise:"weekly, where there is a schedule" doc:"When every row is read and compared, whatever the source says of changes: a spec as of schedule, weekly (a night and hour that follow from the job's name, none between 1 and 4 o'clock), or never."`
	Schema           string        `toml:"schema" otherwise:"the job's name" doc:"Schema of the warehouse that holds the tables. No two jobs share one."`
	FreshWithin      time.Duration `toml:"fresh_within" otherwise:"no bound" doc:"How old the last good run may be before status calls the job stale: 26h."`
	DeletedRetention string        `toml:"deleted_retention" otherwise:"deleted of [retention]" doc:"How long rows that were moved out stay in the schema of that name with _deleted at its end: 90d, 3y, or forever."`
	LegalHold        bool          `toml:"legal_hold" default:"false" doc:"true: nothing of this job is removed, neither because its time is over nor by a purge."`
	CatchUp          string        `toml:"catch_up" default:"latest" oneof:"latest,all,none" doc:"What becomes of slots that came due while no daemon ran, or that still wait when the next one is due. latest: the last of them is run. all: each is run. none: they are skipped."`
	Overlap          string        `toml:"overlap" default:"skip" oneof:"skip,queue" doc:"What becomes of a slot that finds a run of its job at work. skip: it is skipped. queue: it is run afterwards. A full run always waits its turn, and does the work of the slots of schedule that come due meanwhile."`
	Spread           time.Duration `toml:"spread" otherwise:"none: the jobs of a slot start together" doc:"Over how long the jobs of one slot start: each at an offset that follows from its name, the same on all machines. Shorter than the time between two slots. A weekly full run has a time of its own."`
	RetryFor         time.Duration `toml:"retry_for" default:"6h" doc:"How long a slot waits for a server that is down, from when it was due or the server went down, whichever came later, before it fails."`

	Project Project        `toml:"-"` // keys of a job of redcap.NAME
	Engage  engage.Options `toml:"-"` // keys of a job of engage.NAME

	Name   string             `toml:"-"`
	Server *Server            `toml:"-"` // of redcap.NAME; nil where a campus is pulled
	Campus *Campus            `toml:"-"` // of engage.NAME; nil where a project is pulled
	Slots  *schedule.Schedule `toml:"-"` // of Schedule; nil where there is none
	Fulls  *schedule.Schedule `toml:"-"` // of Full; nil where there is none

	node *node
	set  settings
}

// Project says which REDCap project a job pulls, and what of it.
type Project struct {
	Token Secret `toml:"token" otherwise:"the file named as the job in the server's tokens folder" doc:"Reference to the project's API token."`
	redcap.Options
}

// settings are the nodes that set the keys of a struct, by key.
type settings map[string]*node

// Names returns the names of all jobs, sorted.
func (c *Config) Names() []string { return slices.Sorted(maps.Keys(c.Jobs)) }

// Job returns a job by name. The error says what there is instead.
func (c *Config) Job(name string) (*Job, error) {
	if j := c.Jobs[name]; j != nil {
		return j, nil
	}
	if c.Receivers[name] != nil {
		return nil, fmt.Errorf("%s is a receiver and no job: syncd serve loads what is pushed to it, and syncd replay loads a range of that anew", name)
	}
	if len(c.Jobs) == 0 {
		return nil, fmt.Errorf("no job %s in %s, nor any other", shown(name), c.Files[0])
	}
	return nil, fmt.Errorf("no job %s in %s%s", shown(name), c.Files[0], unknown(name, c.Names()))
}

// NamesSchema reports whether the configuration gives the job a schema; otherwise it is the job's name.
func (j *Job) NamesSchema() bool { return j.set["schema"] != nil }

// TokenFolder returns the folder that holds the tokens of the server's jobs, each under the job's name; empty where there is none.
func (s *Server) TokenFolder() string { return s.tokens }

// Offset is how long after a slot of its schedule the job starts.
func (j *Job) Offset() time.Duration { return schedule.Offset(j.Name, j.Spread) }

// FullOffset is how long after a slot of its full runs the job starts: a weekly one is spread over the nights already.
func (j *Job) FullOffset() time.Duration {
	if j.Weekly() {
		return 0
	}
	return j.Offset()
}

// Weekly reports whether full runs are due once a week at a time that follows from the job's name.
func (j *Job) Weekly() bool {
	return j.Full == weekly || j.Full == "" && j.set["full"] == nil
}

// Place returns file:line where the job is named.
func (j *Job) Place() string { return j.node.at.String() }
