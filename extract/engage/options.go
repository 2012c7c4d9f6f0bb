package engage

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"syncd/extract"
)

// Options say what of a campus a job pulls. They are keys of [job.NAME] in jobs.toml.
type Options struct {
	Resources    []string           `toml:"resources" default:"organizations,memberships,positions,users,events,attendees" oneof:"organizations,memberships,positions,users,events,attendees,financetransactions" doc:"The lists that are pulled, each into the table of its name. One that the key has no right to is skipped with a warning, and nothing of it is deleted."`
	Sensitive    []string           `toml:"sensitive" otherwise:"none" doc:"Sensitive columns of users that are kept, such as date_of_birth, sex, race, ethnicity, current_term_gpa, legal_first_name, home_city; * matches any text. One that is not named is dropped as it is read and never kept anywhere."`
	Status       string             `toml:"organization_status" otherwise:"all" doc:"Only organizations of this status are pulled, such as Active. One that gets another status is moved out like one that is deleted."`
	Hidden       bool               `toml:"exclude_hidden_organizations" default:"false" doc:"Leaves out organizations that hide from the directory."`
	PublicFilter bool               `toml:"public_privacy_filter" default:"false" doc:"Leaves out memberships of people who hide from the public roster."`
	CampusFilter bool               `toml:"campus_privacy_filter" default:"false" doc:"Leaves out memberships of people who hide from the campus roster."`
	WindowBack   time.Duration      `toml:"window_back" otherwise:"30d" doc:"How far before now a run by changes reads events, attendees and finance transactions, which nothing tells the changes of; what is older is read again by a full run."`
	WindowAhead  time.Duration      `toml:"window_ahead" otherwise:"365d" doc:"How far after now it does so."`
	Reread       time.Duration      `toml:"reread" otherwise:"15m" doc:"How far before the last good run a run by changes asks for what changed, at least 1m."`
	Resource     map[string]Generic `toml:"resource" otherwise:"none" doc:"Further lists of the campus, each a table [job.NAME.resource.TABLE]."`
}

// Generic is a list that syncd does not know. It is read whole by every run.
type Generic struct {
	Path    string            `toml:"path" otherwise:"required" doc:"Where the list is, below the campus's URL."`
	Key     string            `toml:"key" otherwise:"required" doc:"The field that tells its items apart, spelled as in the answers."`
	KeyType string            `toml:"key_type" default:"bigint" oneof:"bigint,text" doc:"The type of that field."`
	Params  map[string]string `toml:"params" otherwise:"none" doc:"Parameters that are sent with every request."`
	Columns map[string]string `toml:"columns" otherwise:"none" doc:"Fields that get a column, each with its type: text, bigint, numeric, boolean, timestamptz or date. All others stand in _extra."`
}

// The defaults of Options.
const (
	defaultBack   = 30 * 24 * time.Hour
	defaultAhead  = 365 * 24 * time.Hour
	defaultReread = 15 * time.Minute
	leastReread   = time.Minute
)

func (o Options) back() time.Duration   { return cmp.Or(o.WindowBack, defaultBack) }
func (o Options) ahead() time.Duration  { return cmp.Or(o.WindowAhead, defaultAhead) }
func (o Options) reread() time.Duration { return cmp.Or(o.Reread, defaultReread) }

// usual are the resources of a job that names none.
func usual() []string {
	return []string{organizations, memberships, positions, users, events, attendees}
}

// names are the known resources that a job pulls, in the order in which they are read. An empty list is none of them: a job
// may pull lists of its own alone.
func (o Options) names() []string {
	if o.Resources == nil {
		return usual()
	}
	return slices.DeleteFunc(known(), func(name string) bool { return !slices.Contains(o.Resources, name) })
}

// pathShape is what the path of a generic resource may look like: nothing that leads elsewhere.
var pathShape = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

// Check says which key does not go together with the others, and why, in words that follow the key's name. The key is
// empty where all is well.
func (o Options) Check() (key, reason string) {
	for i, name := range o.Resources {
		if !slices.Contains(known(), name) {
			return "resources", fmt.Sprintf("names %q; known are %s", name, strings.Join(known(), ", "))
		}
		if slices.Contains(o.Resources[:i], name) {
			return "resources", fmt.Sprintf("names %q twice", name)
		}
	}
	for _, pattern := range o.Sensitive {
		if !slices.ContainsFunc(sensitive(), func(column string) bool { return matches(pattern, column) }) {
			return "sensitive", fmt.Sprintf("names %q, which is no sensitive column; there are %s", pattern, strings.Join(sensitive(), ", "))
		}
	}
	if o.Reread != 0 && o.Reread < leastReread {
		return "reread", "must be at least 1m: clocks and long transactions are covered by it"
	}
	for _, name := range slices.Sorted(maps.Keys(o.Resource)) {
		if below, reason := o.Resource[name].check(name); reason != "" {
			return "resource." + name + below, reason
		}
	}
	return "", ""
}

// check does so for the keys below the table of one resource.
func (g Generic) check(name string) (below, reason string) {
	columns := map[string]string{}
	switch {
	case slices.Contains(tableNames(), name):
		return "", "has the name of a table that syncd makes itself; give it another"
	case !pathShape.MatchString(g.Path):
		return ".path", "must be the path of a list below the campus's URL, such as experiences"
	case g.Key == "":
		return ".key", "is missing: the field that tells the items apart, such as experienceId"
	case g.KeyType != "" && g.KeyType != "bigint" && g.KeyType != "text":
		return ".key_type", "must be bigint or text"
	}
	for param := range g.Params {
		if slices.Contains(ownParams(), strings.ToLower(param)) {
			return ".params", fmt.Sprintf("sets %q, which syncd sets itself", param)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(g.Columns)) {
		column := extract.ColumnName(field)
		switch _, ok := kinds()[g.Columns[field]]; {
		case !ok:
			return ".columns", fmt.Sprintf("gives %q the type %q; known are text, bigint, numeric, boolean, timestamptz, date", field, g.Columns[field])
		case strings.EqualFold(field, g.Key):
			return ".columns", fmt.Sprintf("names %q, which is the key and has a column already", field)
		case columns[column] != "" || column == extract.ColumnName(g.Key):
			return ".columns", fmt.Sprintf("names two fields whose column would be %s", column)
		}
		columns[column] = field
	}
	return "", ""
}

// ownParams are those that a resource cannot set.
func ownParams() []string {
	return []string{"page", "pagesize", "time", "apikey", "random", "hash", "key"}
}

// keeps reports whether a sensitive column is kept.
func (o Options) keeps(column string) bool {
	return slices.ContainsFunc(o.Sensitive, func(pattern string) bool { return matches(pattern, column) })
}

// matches reports whether a name fits a pattern, in which * stands for any text.
func matches(pattern, name string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	for i := len(first); i <= len(name); i++ {
		if matches(rest, name[i:]) {
			return true
		}
	}
	return false
}
