package redcap

import (
	"testing"

	"syncd/extract"
	"syncd/extract/sourcetest"
	fake "syncd/internal/fake/redcap"
)

func TestConformance(t *testing.T) {
	for _, kind := range []fake.SpecKind{fake.Classic, fake.Longitudinal, fake.Repeating, fake.Mixed} {
		p := small(kind, 120)
		server, url := serve(t, fake.Options{}, p)
		sourcetest.Run(t, sourcetest.Subject{
			New:   func(t testing.TB) extract.Source { return source(t, url, p.Token()) },
			Wrote: server.ReadOnly,
			Marks: []string{MarkServerTime},
		})
	}
}
