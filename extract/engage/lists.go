package engage

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// List is what is known of one list before it is read.
type List struct {
	Name     string
	Items    int
	Requests int   // that reading all of it takes at the least
	Refused  error // the key has no right to it
}

// Lists asks for one item of each list of the job.
func (s *Source) Lists(ctx context.Context) ([]List, error) {
	var all []List
	for _, l := range s.layouts {
		list := List{Name: l.name}
		e, err := s.cfg.Client.Page(ctx, l.path, l.params, 1, 1, func(jsontext.Value) error { return nil })
		switch {
		case err == nil:
			list.Items = int(e.TotalItems)
			list.Requests = max(1, (list.Items+pageItems-1)/pageItems)
		case extract.KindOf(err) == extract.KindRights:
			list.Refused = err
		default:
			return nil, err
		}
		all = append(all, list)
	}
	return all, nil
}
