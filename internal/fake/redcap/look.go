package redcap

// Records returns the names of all records in export order; Count how many there are. A record all of whose rows are
// of places that the structure does not have any more is not there.
func (p *Project) Records() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []string
	homes := p.homes()
	p.store.each(p.store.snapshot(), func(e entry) bool {
		switch {
		case homes != nil && !p.present(p.settled(p.store.whole(e), homes)):
		case e.record != nil:
			out = append(out, e.record.id)
		default:
			out = append(out, p.store.gen.id(e.pos))
		}
		return true
	})
	return out
}

// Count returns how many records there are.
func (p *Project) Count() int {
	p.mu.RLock()
	reshaped, n := p.reshaped, p.store.count()
	p.mu.RUnlock()
	if reshaped {
		return len(p.Records())
	}
	return n
}

// Value returns what is stored, by the names that Set takes.
func (p *Project) Value(record string, at Place, field string) (string, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	rec := p.store.get(record)
	k, ok := p.columnKeys()[field]
	if rec == nil || !ok {
		return "", false
	}
	r, err := p.place(p.settled(rec, p.homes()), at, false)
	if err != nil || r == nil {
		return "", false
	}
	v, ok := r.values[k.key]
	return v, ok
}
