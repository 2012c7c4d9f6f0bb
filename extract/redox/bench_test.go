package redox

import (
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redox"
)

// BenchmarkDecode decodes batches of a thousand deliveries: visits, results and appointments in turn.
func BenchmarkDecode(b *testing.B) {
	traffic := fake.NewTraffic(fake.TrafficSpec{Seed: 1})
	var all []*extract.Delivery
	size := 0
	for i := range 1000 {
		all = append(all, delivery(int64(i+1), string(traffic.AppendMixed(nil, i))))
		size += len(all[i].Body)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		g := everything("MR")
		for _, d := range all {
			g.add(d)
		}
		if batch := g.batch(); len(batch.Settled) != len(all) {
			b.Fatal("not all is settled")
		}
	}
	b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
