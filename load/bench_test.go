package load

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"syncd/extract"
	"syncd/internal/pgtest"
)

const (
	benchRows    = 300_000
	benchColumns = 40
)

// wide is a table of benchColumns columns of mixed types.
func wide() *extract.Table {
	t := &extract.Table{Name: "wide", Source: "wide", Columns: []extract.Column{
		{Name: "record_id", Source: "record_id", Type: extract.Text, Key: true},
		{Name: "redcap_event_name", Source: "redcap_event_name", Type: extract.Text, Key: true},
		{Name: "redcap_repeat_instance", Source: "redcap_repeat_instance", Type: extract.Integer, Key: true},
	}}
	types := []extract.Type{extract.Text, extract.Integer, extract.Numeric, extract.Date, extract.Boolean, extract.Text, extract.Timestamp, extract.Smallint}
	for i := len(t.Columns); i < benchColumns; i++ {
		name := fmt.Sprintf("field_%d", i)
		t.Columns = append(t.Columns, extract.Column{Name: name, Source: name, Type: types[i%len(types)]})
	}
	return t
}

// appendWide fills in row i; another round changes it.
func appendWide(r *extract.Rows, i, round int) {
	r.Begin()
	r.Close(strconv.AppendInt(r.Open(), int64(i), 10))
	r.String("")
	r.String("1")
	for j := 3; j < benchColumns; j++ {
		n := int64((i+j)%1000 + round)
		switch r.Table.Columns[j].Type {
		case extract.Text:
			if (i+j)%7 == 0 {
				r.Null()
				continue
			}
			r.Close(strconv.AppendInt(append(r.Open(), "some text "...), n, 10))
		case extract.Integer, extract.Smallint:
			r.Close(strconv.AppendInt(r.Open(), n, 10))
		case extract.Numeric:
			r.Close(append(strconv.AppendInt(r.Open(), n, 10), ".25"...))
		case extract.Date:
			r.String("2024-05-17")
		case extract.Boolean:
			r.String("t")
		default:
			r.String("2024-05-17 08:30:00")
		}
	}
	r.End()
}

// BenchmarkLoad prints how long a first load, a second one with nothing changed and one with 1 % changed take, each as a
// ratio to one COPY of the same rows into the same table.
func BenchmarkLoad(b *testing.B) {
	for range b.N {
		benchLoad(b)
	}
}

func benchLoad(b *testing.B) {
	w, err := Open(b.Context(), Config{URL: pgtest.New(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	t := wide()
	r, err := w.Begin(b.Context(), order())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.Agree(b.Context(), &extract.Structure{Tables: []*extract.Table{t}}); err != nil {
		b.Fatal(err)
	}
	var took [3]time.Duration
	rows := extract.NewRows(t)
	for pass := range took {
		var total Counts
		start := time.Now()
		for from := 0; from < benchRows; from += extract.BatchRows {
			rows.Reset()
			scope := &extract.Scope{Tables: []*extract.Table{t}, Width: 1}
			for i := from; i < from+extract.BatchRows; i++ {
				round := 0
				if pass == 2 && i%100 == 0 {
					round = 1
				}
				appendWide(rows, i, round)
				scope.Keys = append(scope.Keys, []string{strconv.Itoa(i)})
			}
			res, err := r.Load(b.Context(), &extract.Batch{Rows: []*extract.Rows{rows}, Scope: scope})
			if err != nil {
				b.Fatal(err)
			}
			total.Add(res.Total())
		}
		took[pass] = time.Since(start)
		b.Logf("pass %d: %+v", pass, total)
	}
	var data bytes.Buffer
	conn, err := w.pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	if _, err := pg.CopyTo(b.Context(), &data, "COPY asthma.wide TO STDOUT"); err != nil {
		b.Fatal(err)
	}
	if _, err := pg.Exec(b.Context(), "CREATE TABLE asthma.yard (LIKE asthma.wide INCLUDING ALL); CHECKPOINT").ReadAll(); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if _, err := pg.CopyFrom(b.Context(), &data, "COPY asthma.yard FROM STDIN"); err != nil {
		b.Fatal(err)
	}
	yard := time.Since(start)
	for i, name := range []string{"first", "same", "few"} {
		b.ReportMetric(took[i].Seconds()/yard.Seconds(), name+"/copy")
	}
	b.ReportMetric(yard.Seconds(), "copy-s")
}
