package main

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"syncd/internal/pgtest"
)

func TestThePageShowsHowADaemonStands(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	s := w.serve(t, "[job.astray]\nsource = \"redcap.main\"\ntoken = \"env:NO_SUCH_TOKEN\"", wardBlock(t),
		"[redox.broken]\npath = \"/redox/broken-1a2b3c4d\"\nverification_tokens = [\"file:gone\"]\n[redox.broken.auth]\nstrategy = \"oauth2\"\nclient_id = \"env:NO_SUCH_ID\"\nclient_secret = \"file:gone\"")
	address := s.hears(t, "listening").Receivers
	s.becomes(t, http.StatusOK)
	if got := pushNote(t, "http://"+address+wardPath, 1, wardToken); got != http.StatusOK {
		t.Fatalf("push: %d", got)
	}
	s.ended(t, "crash")
	s.drained(t, w, 1)
	for scalar(t, w.database, "SELECT count(*) FROM syncd.slot WHERE job = 'astray' AND state = 'failed'") == "0" {
		s.ended(t, "crash")
	}
	asked, release := w.holdPull() // a full run, which shows as one under way
	defer release()
	for held := false; !held; { // a run that was under way keeps its mark at its end
		statement(t, w.database, "DELETE FROM syncd.mark")
		select {
		case <-asked:
			held = true
		default:
		}
	}
	page := s.page(t, "/")
	for _, want := range []string{
		"serving 2 jobs and 2 receivers", `scope="row">crash<`, `scope="row">astray<`, `scope="row">redcap.main<`, "no limit", `scope="row">ward<`,
		"misconfigured, answers 503", "Runs under way", `class="running"`, "Processes that were at work", "syncd cancel RUN",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, never := range []string{w.project.Token(), wardToken, w.database, "DocumentID", "<script"} {
		if strings.Contains(page, never) {
			t.Error("the page holds what it may not")
		}
	}
	if style := s.page(t, "/page.css"); !strings.Contains(style, "max-width") {
		t.Error("no style sheet")
	}
	if status, _ := s.get(t, "/other"); status != http.StatusNotFound {
		t.Errorf("a page that is none: %d", status)
	}
	release()
	text, err := os.ReadFile(w.served)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, string(text)+"\n[job.crash]\n")
	s.signal(t, syscall.SIGHUP)
	s.hears(t, "configuration was not reloaded, for it has problems: what was loaded before holds on")
	if page := s.page(t, "/"); !strings.Contains(page, "is in use: what was found at") {
		t.Error("the page does not say that the configuration was not reloaded")
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
}
