package engage

import (
	"maps"
	"slices"

	"syncd/extract"
)

// resource is the list that a job describes itself. What is not a column of it stands in _extra.
func (g Generic) resource(name string) *resource {
	r := &resource{name: name, path: g.Path, comment: "A list that the job describes itself", always: g.Params}
	key := kinds()[g.KeyType]
	if g.KeyType == "" {
		key = whole
	}
	r.fields = append(r.fields, field{name: g.Key, kind: key})
	for _, column := range slices.Sorted(maps.Keys(g.Columns)) {
		r.fields = append(r.fields, field{name: column, kind: kinds()[g.Columns[column]]})
		if c := extract.ColumnName(column); slices.Contains([]string{"organization_id", "user_id", "event_id", "card_id", "sis_id", "username"}, c) {
			r.indexes = append(r.indexes, c)
		}
	}
	return r
}
