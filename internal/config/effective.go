package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one key as it holds for a job.
type Setting struct {
	Key   string // as it is written: schedule; of the server and the whole: redcap.main.url, timezone
	Value string // lists with commas; of a secret its reference and "[redacted]"; empty where nothing is set
	From  string // file:line, or "default"
}

// Effective returns every key that acts on a job or a receiver, with the value that holds and where it comes from: its
// own first, then those of a job's server, then those of the whole. The error says what there is.
func (c *Config) Effective(name string) ([]Setting, error) {
	var all []Setting
	if r := c.Receivers[name]; r != nil {
		all = list(nil, "", "", r, r.set)
	} else {
		j, err := c.Job(name)
		if err != nil {
			return nil, err
		}
		family, server, _ := strings.Cut(j.Source, ".")
		all = list(nil, "", "", j.keys(family), j.set)
		if j.Spread > 0 {
			all = append(all, Setting{Key: "offset", Value: shortDuration(j.Offset()), From: "the job's name, within spread"})
		}
		if j.Campus != nil {
			all = list(all, join(family, server)+".", "", j.Campus, j.Campus.set)
		} else {
			all = list(all, join(family, server)+".", "", j.Server, j.Server.set)
		}
	}
	return list(all, "", "", c, c.set), nil
}

// list appends the settings of a struct, or of those of a table; those of structs inside it under their key.
func list(all []Setting, shown, path string, target any, set settings) []Setting {
	for _, f := range fieldsOf(target) {
		switch {
		case f.nested():
			all = list(all, shown+f.name+".", path+f.name+".", f.at.Addr().Interface(), set)
			continue
		case f.named():
			for _, name := range slices.SortedFunc(slices.Values(f.at.MapKeys()), byText) {
				one := reflect.New(f.typ.Elem())
				one.Elem().Set(f.at.MapIndex(name))
				below := f.name + "." + name.String() + "."
				all = list(all, shown+below, path+below, one.Interface(), set)
			}
			continue
		}
		s := Setting{Key: shown + f.name, Value: written(f.at), From: "default"}
		if n := set[path+f.name]; n != nil {
			s.From = n.at.String()
		}
		all = append(all, s)
	}
	return all
}

func byText(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }

// written prints a value as a person would say it; what is not set at all is empty.
func written(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Secret:
		return x.shown()
	case []Secret:
		parts := make([]string, len(x))
		for i, s := range x {
			parts[i] = s.shown()
		}
		return strings.Join(parts, ", ")
	case time.Duration:
		if x == 0 {
			return ""
		}
		return shortDuration(x)
	case []string:
		parts := make([]string, len(x))
		for i, s := range x {
			parts[i] = plain(s)
		}
		return strings.Join(parts, ", ")
	case []int:
		parts := make([]string, len(x))
		for i, n := range x {
			parts[i] = strconv.Itoa(n)
		}
		return strings.Join(parts, ", ")
	case map[string]string:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, plain(name)+" = "+plain(x[name]))
		}
		return strings.Join(parts, ", ")
	case string:
		return plain(x)
	case bool:
		return strconv.FormatBool(x)
	}
	return strconv.FormatInt(v.Int(), 10)
}

// shown is a reference as the listing of settings prints it.
func (s Secret) shown() string {
	switch s.scheme {
	case "":
		return ""
	case "plain":
		return plain(s.arg)
	}
	return s.Ref() + " " + redacted
}

// plain quotes a text only where it would not be seen as it is.
func plain(s string) string {
	if s == "" || strings.TrimSpace(s) == s && strconv.Quote(s) == `"`+s+`"` {
		return s
	}
	return strconv.Quote(s)
}

// shortDuration leaves out the zeroes that Duration.String ends with: 26h0m0s is 26h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
