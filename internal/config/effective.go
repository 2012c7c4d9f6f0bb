package config

import (
	"reflect"
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
		all = list(nil, "", "", reflect.ValueOf(r).Elem(), r.set)
	} else {
		j, err := c.Job(name)
		if err != nil {
			return nil, err
		}
		all = list(nil, "", "", reflect.ValueOf(j).Elem(), j.set)
		server := join("redcap", j.Server.Name) + "."
		all = list(all, server, "", reflect.ValueOf(j.Server).Elem(), j.Server.set)
	}
	return list(all, "", "", reflect.ValueOf(c).Elem(), c.set), nil
}

// list appends the settings of a struct; those of structs inside it under their key.
func list(all []Setting, shown, path string, v reflect.Value, set settings) []Setting {
	for _, k := range keysOf(v.Type()) {
		field := v.FieldByIndex(k.index)
		if k.nested() {
			all = list(all, shown+k.name+".", path+k.name+".", field, set)
			continue
		}
		s := Setting{Key: shown + k.name, Value: written(field), From: "default"}
		if n := set[path+k.name]; n != nil {
			s.From = n.at.String()
		}
		all = append(all, s)
	}
	return all
}

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
