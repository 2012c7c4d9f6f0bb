package job

import (
	"errors"
	"log/slog"
	"testing"

	"syncd/internal/pgtest"
	"syncd/load"
)

func TestAReplicaDoesNothingInADatabaseThatIsNotItsOwnAndTellsARestoredOneEverythingAnew(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	open := func(installation string) *load.Warehouse {
		w, err := load.Open(t.Context(), load.Config{URL: url, Installation: installation})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		return w
	}
	w, any := open("main"), open("")
	e := NewEngine(Config{Warehouse: w, Log: slog.New(slog.DiscardHandler), Holder: "h"})
	if err := e.own(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.set.Load().seen["asthma"] = "told"
	if err := e.own(t.Context()); err != nil || e.set.Load().seen["asthma"] == "" {
		t.Fatalf("nothing happened, and it tells anew: %v", err)
	}
	if _, err := any.Pool().Exec(t.Context(), "UPDATE syncd.installation SET database_oid = 1"); err != nil {
		t.Fatal(err)
	}
	if next := e.turn(t.Context(), nil); next != tryEvery { // a nil queue: nothing is distributed
		t.Errorf("it looks again after %s", next)
	}
	if err := e.own(t.Context()); !errors.As(err, new(*load.StoppedError)) {
		t.Errorf("in the database of another: %v", err)
	}
	if _, err := any.Restored(t.Context(), "main", "me"); err != nil {
		t.Fatal(err)
	}
	if err := e.own(t.Context()); err != nil || e.set.Load().seen["asthma"] != "" {
		t.Errorf("restored: %v, seen %v", err, e.set.Load().seen)
	}
}
