package load

import "bytes"

// frontier spares the comparison on a first load. In a table that this run made there is nothing but what this run has
// loaded; where scopes come in ascending order, as sources list their ids, a scope beyond the last one is empty. It is
// knowledge, not a guess: a scope that is not beyond is compared as ever.
type frontier struct {
	fresh bool   // made by this run, and filled by scopes of one width only
	width int    // of those scopes
	last  []byte // the greatest key among them; nil before the first
}

// beyond reports whether nothing can be stored in a scope.
func (f *frontier) beyond(s *scope, inScope bool) bool {
	if !f.fresh || !inScope || s.width == 0 || len(s.sorted) == 0 {
		return false
	}
	first := s.index.keys.at(s.sorted[0])
	return f.last == nil || s.width == f.width && bytes.Compare(first, f.last) > 0
}

// advance takes note of what a committed batch has loaded.
func (f *frontier) advance(s *scope, inScope bool) {
	if !f.fresh {
		return
	}
	if !inScope || s.width == 0 || f.last != nil && s.width != f.width {
		f.fresh = false
		return
	}
	if n := len(s.sorted); n > 0 {
		if last := s.index.keys.at(s.sorted[n-1]); f.last == nil || bytes.Compare(last, f.last) > 0 {
			f.width, f.last = s.width, append(f.last[:0], last...)
		}
	}
}
