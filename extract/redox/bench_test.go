package redox

import (
	"testing"

	"syncd/extract"
)

// BenchmarkDecode decodes recorded messages into batches of a thousand deliveries.
func BenchmarkDecode(b *testing.B) {
	var bodies []string
	for _, name := range []string{"pyredox-2023/patientadmin_arrival.json", "pyredox-2023/results_new.json", "pyredox-2023/scheduling_new.json"} {
		bodies = append(bodies, payloads(b, "datamodel")[name])
	}
	var all []*extract.Delivery
	size := 0
	for i := range 1000 {
		all = append(all, delivery(int64(i+1), bodies[i%len(bodies)]))
		size += len(all[i].Body)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		g := everything("MR")
		for _, d := range all {
			g.add(d)
		}
		g.batch()
	}
}
