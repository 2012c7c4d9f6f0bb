package redcap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// What pull may name beside project and structure.
const (
	pullRecords      = "records"
	pullGroups       = "dags"
	pullUsers        = "users"
	pullLog          = "log"
	pullLogDetails   = "log.details"
	pullParticipants = "participants"
	pullFiles        = "files"
	pullRepository   = "file_repository"
	pullReports      = "reports"
)

// How files are pulled.
const (
	filesNames    = "names"
	filesContents = "contents"
)

// pullable are the names that pull knows, in the order in which they are told.
func pullable() []string {
	return []string{
		pullRecords, pullGroups, pullUsers, pullLog, pullLogDetails, pullParticipants, pullFiles, pullRepository, pullReports,
	}
}

// Check says which key does not go together with the others, and why, in words that follow the key's name. The key is
// empty where all is well.
func (o Options) Check() (key, reason string) {
	for i, name := range o.Pull {
		if !slices.Contains(pullable(), name) {
			return "pull", fmt.Sprintf("names %q; known are %s", name, strings.Join(pullable(), ", "))
		}
		if slices.Contains(o.Pull[:i], name) {
			return "pull", fmt.Sprintf("names %q twice", name)
		}
	}
	switch o.Identifiers {
	case "", "load", "skip":
	default:
		return "identifiers", fmt.Sprintf("is %q; known are load, skip", o.Identifiers)
	}
	switch o.Files {
	case "", filesNames, filesContents:
	default:
		return "files", fmt.Sprintf("is %q; known are %s, %s", o.Files, filesNames, filesContents)
	}
	if o.pulls(pullFiles) && !o.pulls(pullRecords) {
		key = "pull"
		if o.Files != "" {
			key = "files"
		}
		return key, fmt.Sprintf("asks for files where records are not pulled: the names of files stand in the records; add %q to pull", pullRecords)
	}
	return o.checkReports()
}

func (o Options) checkReports() (key, reason string) {
	if o.pulls(pullReports) && len(o.Reports) == 0 {
		return "pull", `names "reports", and no key says which; write for instance reports = [12]: the id is in a report's address in REDCap`
	}
	for i, id := range o.Reports {
		if id <= 0 {
			return "reports", fmt.Sprintf("holds %d, which is no report's id: that is in the report's address in REDCap", id)
		}
		if slices.Contains(o.Reports[:i], id) {
			return "reports", fmt.Sprintf("names %d twice", id)
		}
	}
	return "", ""
}

// pulls reports whether a job pulls what pull names. What is not said in pull is records and groups; the keys that say
// how something is pulled imply that it is.
func (o Options) pulls(name string) bool {
	switch name {
	case pullFiles:
		if o.Files != "" {
			return true
		}
	case pullReports:
		if len(o.Reports) > 0 {
			return true
		}
	case pullLog:
		if slices.Contains(o.Pull, pullLogDetails) {
			return true
		}
	}
	if len(o.Pull) == 0 {
		return name == pullRecords || name == pullGroups
	}
	return slices.Contains(o.Pull, name)
}

// pullsContents reports whether the bytes of files are pulled, too.
func (o Options) pullsContents() bool { return o.Files == filesContents }

// logged and logDetails report whether the log is pulled, and its details too: by name only.
func (o Options) logged() bool     { return slices.Contains(o.Pull, pullLog) || o.logDetails() }
func (o Options) logDetails() bool { return slices.Contains(o.Pull, pullLogDetails) }

// asked tells options apart that make a reading hold other things: after a change everything is read once.
func (o Options) asked() string {
	o.Reread = 0
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", o))
	return hex.EncodeToString(sum[:8])
}

// askedForms lists the instruments that a job asks for by name; nil stands for all.
func (p *snapshot) askedForms(o Options) []string {
	if p.some != nil {
		return p.some
	}
	var asked []string
	for _, in := range p.instruments {
		if !o.skips(in.name) {
			asked = append(asked, in.name)
		}
	}
	if len(asked) == len(p.instruments) {
		return nil
	}
	return slices.Clip(asked)
}

// skips reports whether a job leaves an instrument out.
func (o Options) skips(form string) bool {
	return matches(o.SkipForms, form) || len(o.OnlyForms) > 0 && !matches(o.OnlyForms, form)
}

// matches reports whether name fits one of the patterns, in which * stands for any text.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if glob(p, name) {
			return true
		}
	}
	return false
}

func glob(pattern, name string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	for name = name[len(first):]; ; name = name[1:] {
		if glob(rest, name) {
			return true
		}
		if name == "" {
			return false
		}
	}
}
