package config

import (
	"cmp"
	"slices"
)

// owner is a job or a receiver: whatever has a name in the ledger and a schema in the warehouse.
type owner struct {
	word, name, schema string
	node               *node
	set                settings
}

// owners lists jobs and receivers as a reader meets them.
func (c *Config) owners() []owner {
	var all []owner
	for _, name := range c.Names() {
		j := c.Jobs[name]
		all = append(all, owner{"job", name, j.Schema, j.node, j.set})
	}
	for _, name := range c.ReceiverNames() {
		r := c.Receivers[name]
		all = append(all, owner{"receiver", name, r.Schema, r.node, r.set})
	}
	slices.SortStableFunc(all, func(a, b owner) int {
		x, y := a.node.at, b.node.at
		return cmp.Or(cmp.Compare(slices.Index(c.Files, x.file), slices.Index(c.Files, y.file)), cmp.Compare(x.line, y.line))
	})
	return all
}

// checkOwners refuses two that would write the same tables, and a receiver that has the name of a job: what is told of either is
// told by name.
func (l *loader) checkOwners(c *Config) {
	bySchema, byName := map[string]owner{}, map[string]owner{}
	for _, o := range c.owners() {
		if other, ok := byName[o.name]; ok {
			l.add(o.node.wrong("is the name of %s %s already (%s)", other.word, other.name, other.node.at))
			continue // and so is the schema, where none is named
		}
		byName[o.name] = o
		other, ok := bySchema[o.schema]
		if !ok {
			bySchema[o.schema] = o
			continue
		}
		at := o.node.at
		if n := o.set["schema"]; n != nil {
			at = n.val
		}
		l.add(at.problem(o.node.path+".schema", quote(o.schema), "is the schema of %s %s already (%s)", other.word, other.name, other.node.at))
	}
}
