package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"syncd/internal/fake/engage"
)

const (
	campusRSS   = 128 // MB
	campusPage  = 500
	campusOver  = 1.02 // requests by the least that the size of a page allows
	campusKey   = "bench-07"
	campusGuess = "not-a-secret"
)

// campus measures a campus of a million rows: the peak of its first load and of a full run after it, the requests of both by the
// least that there can be, what the full run touched, and what a run by changes reads after a hundred changes.
func (b *bench) campus(ctx context.Context) error {
	campus := engage.NewCampus(engage.Spec{
		Organizations: 1_000, Users: 40_000, Memberships: b.campusRows * 45 / 100, Events: 10_000, Attendees: b.campusRows * 44 / 100, Transactions: b.campusRows / 20,
	}, time.Now().Add(-time.Hour))
	fake := engage.NewServer(campus, engage.Options{Keys: []engage.Key{{Public: campusKey, Private: campusGuess}}})
	url, stop, err := serveCampus(fake)
	if err != nil {
		return err
	}
	defer stop()
	w, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	if err := os.WriteFile(w.dir+"/key", []byte(campusGuess), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(w.dir+"/public", []byte(campusKey), 0o600); err != nil {
		return err
	}
	if err := w.configure(ctx, fmt.Sprintf("[postgres]\nurl = %q\n[engage.bench]\nurl = %q\npublic_key = \"file:public\"\nprivate_key = \"file:key\"\n"+
		"requests_per_second = 0\n[job.bench]\nsource = \"engage.bench\"\nresources = [\"organizations\", \"memberships\", \"positions\", \"users\", \"events\", \"attendees\", \"financetransactions\"]\n",
		b.server.URL(w.database), url)); err != nil {
		return err
	}
	rows, least := 0, 0
	for _, list := range engage.Resources() {
		n := campus.Live(list)
		rows, least = rows+n, least+max(1, (n+campusPage-1)/campusPage)
	}
	worst, over := 0.0, 0.0
	for _, run := range []struct {
		what string
		more []string
	}{{"first load", nil}, {"full run after it", []string{"--full"}}} {
		fake.ResetRequests()
		c, err := w.sync(ctx, run.more...)
		if err != nil {
			return err
		}
		asked := len(fake.Requests())
		touched, err := w.touched(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("# engage %s (%d rows): %s, %d requests where %d are the least, %d rows touched\n", run.what, rows, c, asked, least, touched)
		worst, over = max(worst, float64(c.rss)/(1<<20)), max(over, float64(asked)/float64(least))
	}
	done := len(campus.Happen(100))
	fake.ResetRequests()
	c, err := w.sync(ctx)
	if err != nil {
		return err
	}
	touched, err := w.touched(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("# engage run by changes after %d: %s, %d requests, %d rows touched\n", done, c, len(fake.Requests()), touched)
	value("engage-memory", worst, "MB", campusRSS)
	report("engage-requests", []float64{over}, campusOver)
	return nil
}

// touched is how many rows the last run wrote or moved out.
func (w *warehouse) touched(ctx context.Context) (n int64, err error) {
	err = w.conn.QueryRow(ctx, "SELECT coalesce(sum(inserted + updated + deleted), 0) FROM syncd.run_table WHERE run_id = (SELECT max(run_id) FROM syncd.run)").Scan(&n)
	return n, err
}

func serveCampus(h http.Handler) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "bench: serve campus:", err)
		}
	}()
	return "http://" + l.Addr().String() + "/engage/api/", func() { server.Close() }, nil
}
