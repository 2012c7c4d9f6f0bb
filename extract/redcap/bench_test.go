package redcap

import (
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// BenchmarkDecode measures bytes of a response to cells of a batch: 40 columns, no HTTP, no warehouse.
func BenchmarkDecode(b *testing.B) {
	p := fake.Synthetic(fake.Spec{Records: 300, Fields: 40, Forms: 1, OneColumnFields: true})
	_, url := serve(b, fake.Options{}, p)
	src := source(b, url, p.Token())
	if _, err := src.Describe(b.Context(), extract.Since{}); err != nil {
		b.Fatal(err)
	}
	ids := p.Records()
	r := src.newReader(handTo(b, func(*extract.Batch) error { return nil }), src.model)
	f := src.start(b.Context(), src.model.snapshot, item{ids: ids}, new(desk))
	f.wait()
	if f.err != nil {
		b.Fatal(f.err)
	}
	b.SetBytes(int64(len(f.answer.body)))
	b.ReportAllocs()
	for b.Loop() {
		f.torn = f.desk.sheet.split(f.answer.body)
		if err := r.accept(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		if r.done > 10_000 {
			r.done = 0
			if err := r.flush(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(ids))/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkPull measures a whole pull over HTTP into nothing.
func BenchmarkPull(b *testing.B) {
	p := fake.Synthetic(fake.Spec{Records: 100_000, Fields: 40, Forms: 1, OneColumnFields: true})
	_, url := serve(b, fake.Options{}, p)
	b.ReportAllocs()
	for b.Loop() {
		src := source(b, url, p.Token())
		if _, err := src.Describe(b.Context(), extract.Since{}); err != nil {
			b.Fatal(err)
		}
		rows := 0
		if _, err := src.Pull(b.Context(), extract.Since{Full: true}, func(batch *extract.Batch) error {
			for _, r := range batch.Rows {
				rows += r.Len()
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "rows/s")
}
