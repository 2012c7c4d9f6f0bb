package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"syncd/load"
)

func TestALineOfTheJournalThatWasCutOffSpoilsNoOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	if _, err := readJournal(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	write := func(add string) {
		t.Helper()
		if err := writeSynced(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, []byte(add)); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(schema string) {
		t.Helper()
		if err := keepJournal(path, load.PurgeEntry{Version: 1, Schema: schema}); err != nil {
			t.Fatal(err)
		}
	}
	keep("one")
	write(`{"version":1,"at":"2026-`) // a disk was full
	keep("two")
	keep("three")
	write(`{"version":1,"schema":"four"}`) // an editor left the last line feed out
	want := []string{"one", "two", "three", "four"}
	if got := schemasIn(t, path); !slices.Equal(got, want) {
		t.Errorf("it holds %v, want %v", got, want)
	}
	keep("five")
	if got := schemasIn(t, path); !slices.Equal(got, append(want, "five")) {
		t.Errorf("it holds %v", got)
	}
	write("no purge\n")
	if _, err := readJournal(path); err == nil || !strings.Contains(err.Error(), "line 7 is no purge") {
		t.Errorf("a line that is no purge: %v", err)
	}
}

func schemasIn(t *testing.T, path string) (all []string) {
	t.Helper()
	entries, err := readJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Schema)
	}
	return all
}

func TestAJournalThatIsGoneIsNoEmptyOne(t *testing.T) {
	s := newPurgeScene(t)
	if said := s.run(exitDone, "check"); strings.Contains(said, "purge ") && !strings.Contains(said, "made with the first purge") {
		t.Error(said)
	}
	name := s.live()
	s.run(exitDone, "purge", "--subject", "ward:"+name, "--yes")
	if said := s.run(exitDone, "check"); !strings.Contains(said, "purges in it: 1") {
		t.Error(said)
	}
	journal := filepath.Join(s.dir, "purges.journal")
	s.must(os.Rename(journal, journal+".lost"))
	for _, verb := range [][]string{{"check"}, {"doctor", "--after-restore"}} {
		want := exitFailed
		if verb[0] == "doctor" {
			want = exitUsage
		}
		if said := s.run(want, verb...); !strings.Contains(said, "it is not there, and people were purged") || !strings.Contains(said, "touch "+journal) {
			t.Errorf("%v: %s", verb, said)
		}
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "jobs.toml"))
	s.must(err)
	before, _, _ := strings.Cut(string(text), "[purge]")
	s.write("jobs.toml", before)
	for _, verb := range [][]string{{"check"}, {"doctor", "--after-restore"}} {
		want := exitFailed
		if verb[0] == "doctor" {
			want = exitUsage
		}
		if said := s.run(want, verb...); !strings.Contains(said, "put [purge] key and journal back") {
			t.Errorf("%v: %s", verb, said)
		}
	}
	s.write("jobs.toml", string(text))
	s.must(os.Rename(journal+".lost", journal))
	s.run(exitDone, "doctor", "--after-restore")
}
