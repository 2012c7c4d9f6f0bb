package redcap

import (
	"fmt"
	"slices"
	"strings"
)

// check says what is wrong with o, or nil.
func (o Options) check() error {
	for _, name := range o.Pull {
		if name != pullRecords && name != pullGroups {
			return fmt.Errorf("pull names %q; known are %s, %s", name, pullRecords, pullGroups)
		}
	}
	switch o.Identifiers {
	case "", "load", "skip":
		return nil
	}
	return fmt.Errorf("identifiers is %q; known are load, skip", o.Identifiers)
}

// What pull may name beside project and structure.
const (
	pullRecords = "records"
	pullGroups  = "dags"
)

// pulls reports whether a job pulls what pull names; the default is everything.
func (o Options) pulls(name string) bool {
	if len(o.Pull) == 0 {
		return true
	}
	for _, p := range o.Pull {
		if p == name {
			return true
		}
	}
	return false
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
