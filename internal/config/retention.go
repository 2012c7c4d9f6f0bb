package config

import (
	"strconv"
	"strings"
	"time"
)

// Retention says how long what may be needed is kept; what people report from is not touched by it.
type Retention struct {
	Payloads string `toml:"payloads" default:"180d" doc:"How long the bytes of deliveries are kept, once something was done with them: 180d, 3y, or forever. Those of deliveries that could not be read stay for as long as rejects, where that is longer. Deliveries whose bytes are gone cannot be replayed."`
	Rejects  string `toml:"rejects" default:"180d" doc:"How long rows that could not be stored are kept after they were stored or last seen."`
	Deleted  string `toml:"deleted" default:"90d" doc:"How long rows that were moved out stay in the schemas that end in _deleted."`
	Runs     string `toml:"runs" default:"3y" doc:"How long runs are kept, with their counts and proofs. Runs that open rejects or held deletions refer to stay, and of each job the last good ones."`
}

// Purge says how people are erased and known again.
type Purge struct {
	Key     Secret `toml:"key" otherwise:"none: nobody can be purged" doc:"Reference to a secret of at least 32 characters, such as openssl rand -hex 32 makes. By its hashes people who were purged are known again; who loses it cannot keep them out any more."`
	Journal string `toml:"journal" path:"file" otherwise:"none: nobody can be purged" doc:"File, outside of the database and of its backups, to which every purge is added, so that it can be done again after a restore. It names nobody."`
}

// Keep is how long something is kept; 0 is for ever.
func keep(text string) (time.Duration, string) {
	switch text {
	case "0", "forever":
		return 0, ""
	}
	if years, ok := strings.CutSuffix(text, "y"); ok {
		n, err := strconv.ParseUint(years, 10, 16)
		if err == nil && n > 0 && n <= 200 {
			return time.Duration(n) * 365 * 24 * time.Hour, ""
		}
	}
	if d, ok := duration(text); ok && d >= time.Hour {
		return d, ""
	}
	return 0, `must be a time such as "180d" or "3y", not less than an hour, or "forever"`
}

// Kept is how long a job or a receiver keeps things; 0 is for ever.
type Kept struct {
	Payloads, Rejects, Deleted time.Duration
	Held                       bool // nothing goes
}

// KeptBy says how long a job or receiver, by name, keeps things.
func (c *Config) KeptBy(name string) Kept {
	k := Kept{}
	k.Payloads, _ = keep(c.Retention.Payloads) // checked by Load
	k.Rejects, _ = keep(c.Retention.Rejects)
	k.Deleted, _ = keep(c.Retention.Deleted)
	own := func(text string, into *time.Duration) {
		if text != "" {
			*into, _ = keep(text)
		}
	}
	if j := c.Jobs[name]; j != nil {
		own(j.DeletedRetention, &k.Deleted)
		k.Held = j.LegalHold
	}
	if r := c.Receivers[name]; r != nil {
		own(r.Retention, &k.Payloads)
		own(r.DeletedRetention, &k.Deleted)
		k.Held = r.LegalHold
	}
	return k
}

// RunsKept is how long runs are kept; 0 is for ever.
func (c *Config) RunsKept() time.Duration {
	d, _ := keep(c.Retention.Runs)
	return d
}

// checkKept judges keys that say how long something is kept.
func (l *loader) checkKept(set settings, keys ...string) {
	for _, key := range keys {
		n := set[key]
		if n == nil || n.kind != textKind || n.refused {
			continue
		}
		if _, reason := keep(n.text); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
}

// checkPurge judges [retention] and [purge].
func (l *loader) checkPurge(c *Config) {
	l.checkKept(c.set, "retention.payloads", "retention.rejects", "retention.deleted", "retention.runs")
	key, journal := c.set["purge.key"], c.set["purge.journal"]
	if key != nil && journal == nil {
		l.add(key.problem("needs journal: a restored backup would bring back who was purged"))
	}
	if journal != nil && key == nil {
		l.add(journal.problem("needs key, by which those who were purged are known again"))
	}
	l.notEmpty(c.set, "purge.journal")
}
