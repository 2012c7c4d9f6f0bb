package engage

import (
	"context"
	"slices"

	"syncd/extract"
)

// collect names the lists that a job pulls: a part of a pull is one of them, read whole, that leaves its own mark.
func (s *Source) collect(ctx context.Context, parts extract.Parts) (*extract.Proof, error) {
	names := new(extract.KeySet)
	for _, l := range s.layouts {
		names.Add(l.name)
	}
	names.Sort()
	at := s.now()
	if _, err := parts.Keep(ctx, extract.Collected{IDs: names, Size: 1, Serial: true}); err != nil {
		return nil, err
	}
	return &extract.Proof{Before: names, After: names, BeforeAt: at, AfterAt: at}, nil
}

// only leaves the lists of a part.
func (p *pull) only(part *extract.Part) {
	if part == nil {
		return
	}
	p.since.Full = true
	p.lists = slices.DeleteFunc(slices.Clone(p.lists), func(l *layout) bool { return !slices.Contains(part.IDs, l.name) })
}
