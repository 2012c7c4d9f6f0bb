package config

import (
	"path/filepath"
	"slices"
	"strings"

	"syncd/schedule"
)

// The families of sources that a job pulls.
const (
	redcapFamily = "redcap"
	engageFamily = "engage"
)

// keys are what the keys of a job are read into: those of every job, and those of its family. Of a source that is of no family
// anything is taken: that there is no such source is said once.
func (j *Job) keys(family string) table {
	all := []any{j, &j.Project, &j.Engage}
	switch family {
	case redcapFamily:
		return table{all[:2], others(all[:2], all[2:], engageFamily)}
	case engageFamily:
		return table{[]any{j, &j.Engage}, others([]any{j, &j.Engage}, all[1:2], redcapFamily)}
	}
	return table{into: all}
}

// others are the keys of a family that another does not have.
func others(mine, theirs []any, family string) map[string]string {
	known, reasons := names(fieldsOf(table{into: mine})), map[string]string{}
	for _, name := range names(fieldsOf(table{into: theirs})) {
		if !slices.Contains(known, name) {
			reasons[name] = "is a key of jobs whose source is " + family + ".NAME"
		}
	}
	return reasons
}

// tolerant passes keys of other families over: general defaults are for the jobs of all.
func (t table) tolerant() table {
	passed := map[string]string{}
	for name := range t.others {
		passed[name] = ""
	}
	return table{t.into, passed}
}

// checkLayer judges a table of defaults for itself, so that its mistakes are found though no job uses it.
func (l *loader) checkLayer(c *Config, n *node, family string) {
	if n == nil {
		return
	}
	j := &Job{set: settings{}}
	l.add(decode(j.keys(family), n, j.set)...)
	if n.kind != tableKind {
		return
	}
	if s := n.kid("source"); s != nil && family != "" {
		l.add(s.wrong("a server's defaults are for its own jobs: name the source in each job"))
	}
	l.checkKeys(c, j)
}

// checkJob judges a job with its defaults.
func (l *loader) checkJob(c *Config, j *Job, root *node) {
	l.checkKeys(c, j)
	n := j.set["source"]
	if n == nil {
		l.missing(j.node, j.node.path+".source", "is missing: the server that the project is on, redcap.NAME, or the campus, engage.NAME")
		return
	}
	if n.kind != textKind {
		return
	}
	family, name, _ := strings.Cut(j.Source, ".")
	switch family {
	case redcapFamily:
		j.Server = c.Servers[name]
	case engageFamily:
		j.Campus = c.Campuses[name]
	}
	switch {
	case j.Server != nil:
		l.checkToken(j)
	case j.Campus != nil:
		if n := j.set["resources"]; n != nil && !n.refused && len(j.Engage.Resources)+len(j.Engage.Resource) == 0 {
			l.add(n.problem("is empty, and there is no [%s.resource.WORD]: nothing would be pulled", j.node.path))
		}
	// A server whose table is there was refused itself, or may stand in what could not be read.
	case family != redcapFamily && family != engageFamily, root.kid(family).kid(name) == nil && !l.lost:
		l.add(n.problem("there is no such source%s", unknownSource(j.Source, c)))
	}
}

// checkToken finds where the token of a REDCap project is kept.
func (l *loader) checkToken(j *Job) {
	if j.set["token"] != nil {
		return
	}
	if j.Server.tokens != "" {
		j.Project.Token = Secret{scheme: "file", arg: filepath.Join(j.Server.tokens, j.Name)}
		j.set["token"] = j.Server.set["tokens"]
	} else if j.Server.set["tokens"] == nil {
		l.missing(j.node, j.node.path+".token", `is missing: write token = "env:NAME" here, or tokens = "dir:PATH" at [%s]`, j.Source)
	}
}

// Sources returns all sources that a job could name, sorted: redcap.NAME, engage.NAME.
func (c *Config) Sources() []string {
	var all []string
	for name := range c.Servers {
		all = append(all, redcapFamily+"."+name)
	}
	for name := range c.Campuses {
		all = append(all, engageFamily+"."+name)
	}
	slices.Sort(all)
	return all
}

func unknownSource(word string, c *Config) string {
	all := c.Sources()
	if len(all) == 0 {
		return "; a source is a table [redcap.NAME] or [engage.NAME]"
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
	l.checkKept(j.set, "deleted_retention")
	l.checkSpread(j)
	if n := j.set["schema"]; n != nil && n.kind == textKind {
		if reason := badName(j.Schema); reason != "" {
			l.add(n.problem("%s", reason))
		}
	}
	project := j.Project
	if skip, only := j.set["skip_forms"], j.set["only_forms"]; len(project.SkipForms) > 0 && len(project.OnlyForms) > 0 {
		at, other := skip, only
		if only.val.line > skip.val.line {
			at, other = only, skip
		}
		l.add(at.wrong("skip_forms and only_forms exclude each other, and %s is at %s; write %s = [] where it should not hold", other.key, other.at, other.key))
	}
	l.checkOptions(j, project.Options.Check)
	l.checkOptions(j, j.Engage.Check)
}

// checkOptions tells what a family says of its keys where they stand. What is not set at all cannot be wrong, unless it is
// missing from a table that is there.
func (l *loader) checkOptions(j *Job, check func() (key, reason string)) {
	key, reason := check()
	if n := j.set[key]; n != nil {
		if !n.refused {
			l.add(n.problem("%s", reason))
		}
		return
	}
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 && j.set[key[:dot]] != nil {
		l.missing(j.set[key[:dot]], j.set[key[:dot]].path+key[dot:], "%s", reason)
	}
}

// weekly is the value of full that leaves the choice of the time to the job's name.
const weekly = "weekly"

// checkSpread sees to it that a job starts before its next slot is due: it would be passed over for ever.
func (l *loader) checkSpread(j *Job) {
	n := j.set["spread"]
	if n == nil || n.refused || j.Spread == 0 {
		return
	}
	fulls := j.Fulls
	if j.Weekly() {
		fulls = nil
	}
	for i, slots := range []*schedule.Schedule{j.Slots, fulls} {
		if slots == nil {
			continue
		}
		if shortest := slots.Shortest(); j.Spread >= shortest {
			key := []string{"schedule", "full"}[i]
			l.add(n.problem("must be shorter than the %s between two slots of %s = %q", shortDuration(shortest), key, slots.Spec()))
		}
	}
}

// checkFull finds when full runs are due.
func (l *loader) checkFull(c *Config, j *Job) {
	n, spec := j.set["full"], j.Full
	if n == nil && j.set["schedule"] != nil {
		spec = weekly
	}
	switch spec {
	case "", "never":
		return
	case weekly:
		spec = schedule.Weekly(j.Name)
	}
	slots, err := schedule.Parse(spec, c.Zone, l.schedules...)
	if err != nil && n != nil {
		l.add(n.bad(err))
	}
	j.Fulls = slots
}
