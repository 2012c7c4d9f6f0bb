package extract

import "testing"

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		t  Type
		in string
	}{
		{Text, "a text of middling length, as people type it"},
		{Integer, "12345"},
		{Numeric, "123.45"},
		{Numeric, "1.5e3"},
		{Date, "2023-02-24"},
		{Timestamp, "2023-02-24 12:04"},
		{Boolean, "1"},
	} {
		b.Run(c.t.String()+" "+c.in, func(b *testing.B) {
			src, dst := []byte(c.in), make([]byte, 0, 128)
			for b.Loop() {
				dst, _ = Append(dst[:0], c.t, src)
			}
		})
	}
}
