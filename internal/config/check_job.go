package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"syncd/schedule"
)

// checkLayer judges a table of defaults for itself, so that its mistakes are found though no job uses it.
func (l *loader) checkLayer(c *Config, n *node) {
	if n == nil {
		return
	}
	j := &Job{set: settings{}}
	l.add(decode(j, n, j.set)...)
	if n.kind != tableKind {
		return
	}
	if s := n.kid("source"); s != nil && n.path != "defaults" {
		l.add(s.wrong("a server's defaults are for its own jobs: name the source in each job"))
	}
	l.checkKeys(c, j)
}

// checkJob judges a job with its defaults.
func (l *loader) checkJob(c *Config, j *Job, servers *node) {
	l.checkKeys(c, j)
	n := j.set["source"]
	if n == nil {
		l.missing(j.node, j.node.path+".source", "is missing: the server that the project is on, redcap.NAME")
		return
	}
	if n.kind != textKind {
		return
	}
	server, ok := strings.CutPrefix(j.Source, "redcap.")
	j.Server = c.Servers[server]
	if !ok || j.Server == nil {
		// A server whose table is there was refused itself, or may stand in what could not be read.
		if !ok || servers.kid(server) == nil && !l.lost {
			l.add(n.problem("there is no such source%s", unknownSource(j.Source, c)))
		}
		return
	}
	if j.set["token"] != nil {
		return
	}
	if j.Server.tokens != "" {
		j.Token = Secret{scheme: "file", arg: filepath.Join(j.Server.tokens, j.Name)}
		j.set["token"] = j.Server.set["tokens"]
	} else if j.Server.set["tokens"] == nil {
		l.missing(j.node, j.node.path+".token", `is missing: write token = "env:NAME" here, or tokens = "dir:PATH" at [%s]`, j.Source)
	}
}

func unknownSource(word string, c *Config) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		all = append(all, "redcap."+name)
	}
	if len(all) == 0 {
		return "; a source is a table [redcap.NAME]"
	}
	return unknown(word, all)
}

// checkKeys judges the values of a job's keys, wherever they were set.
func (l *loader) checkKeys(c *Config, j *Job) {
	if n := j.set["schedule"]; n != nil && n.kind == textKind {
		slots, err := schedule.Parse(j.Schedule, c.Zone, l.schedules...)
		if err != nil {
			l.add(n.bad(err))
		}
		j.Slots = slots
	}
	l.checkFull(c, j)
	if n := j.set["schema"]; n != nil && n.kind == textKind {
		if reason := badName(j.Schema); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
	if skip, only := j.set["skip_forms"], j.set["only_forms"]; len(j.SkipForms) > 0 && len(j.OnlyForms) > 0 {
		at, other := skip, only
		if only.val.line > skip.val.line {
			at, other = only, skip
		}
		l.add(at.wrong("skip_forms and only_forms exclude each other, and %s is at %s; write %s = [] where it should not hold", other.key, other.at, other.key))
	}
	if key, reason := j.Options.Check(); key != "" {
		if n := j.set[key]; n != nil {
			l.add(n.problem("%s", reason))
		}
	}
}

// checkFull finds when full runs are due.
func (l *loader) checkFull(c *Config, j *Job) {
	n, spec := j.set["full"], j.Full
	if n == nil && j.set["schedule"] != nil {
		spec = "weekly"
	}
	switch spec {
	case "", "never":
		return
	case "weekly":
		spec = schedule.Weekly(j.Name)
	}
	slots, err := schedule.Parse(spec, c.Zone, l.schedules...)
	if err != nil && n != nil {
		l.add(n.bad(err))
	}
	j.Fulls = slots
}
