package migrations

// Done is the query that tells from the catalogue whether a migration was committed.
func (m Migration) Done() string { return m.done }

// Clean is what every foreign error goes through.
func Clean(err error) error { return clean(err) }
