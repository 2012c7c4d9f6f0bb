package redcap

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// discard is a response writer that counts.
type discard struct {
	h http.Header
	n int64
}

func (d *discard) Header() http.Header { return d.h }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.n += int64(len(b))
	return len(b), nil
}

func fetch(s *Server, p *Project, params string) int64 {
	r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader("token="+p.Token()+"&content=record&"+params))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := &discard{h: http.Header{}}
	s.ServeHTTP(w, r)
	return w.n
}

func BenchmarkExport(b *testing.B) {
	p := Synthetic(Spec{Records: 300_000, Fields: 39, Forms: 1, OneColumnFields: true})
	s := serve(Options{}, p)
	for _, format := range []string{"csv", "json"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(fetch(s, p, "format="+format))
			}
		})
	}
	b.Run("ids", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(fetch(s, p, "format=json&fields[0]=record_id"))
		}
	})
}

func BenchmarkBatches(b *testing.B) {
	p := Synthetic(Spec{Records: 300_000, Fields: 39, Forms: 1, OneColumnFields: true})
	s := serve(Options{}, p)
	var ids strings.Builder
	for i := range 800 {
		ids.WriteString("&records[]=" + p.store.gen.id(i*7))
	}
	for b.Loop() {
		b.SetBytes(fetch(s, p, "format=csv"+ids.String()))
	}
}

func BenchmarkIDs(b *testing.B) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 300_000, Fields: 40, DAGs: 3})
	s := serve(Options{}, p)
	for name, params := range map[string]string{"plain": "", "groups": "&exportDataAccessGroups=true"} {
		b.Run(name, func(b *testing.B) {
			fetch(s, p, "format=json&fields[0]=record_id"+params)
			for b.Loop() {
				b.SetBytes(fetch(s, p, "format=json&fields[0]=record_id"+params))
			}
		})
	}
}
