package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/internal/fake/engage"
)

// startCampus runs `syncd fake engage` and returns its output, and a func that ends it as Ctrl-C does.
func startCampus(t *testing.T, args teaching) (out *bufio.Scanner, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	c := &cli{Main: &Main{Now: time.Now, Stdout: w, Stderr: io.Discard}, ctx: ctx}
	done := make(chan error, 1)
	go func() {
		err := c.fakeEngage(&args)
		w.CloseWithError(err)
		done <- err
	}()
	return bufio.NewScanner(r), func() error {
		cancel()
		go io.Copy(io.Discard, r)
		return <-done
	}
}

func TestFakeEngageServesTheCampusThatItTellsOf(t *testing.T) {
	t.Parallel()
	out, end := startCampus(t, teaching{listen: fakeListener{address: "127.0.0.1:0"}, memberships: 300, seed: 1, hash: "md5", changes: 6000, scope: []string{"memberships", "users"}})
	out.Scan()
	url, ok := strings.CutPrefix(out.Text(), "fake Engage on ")
	if !ok {
		t.Fatal(out.Text(), end())
	}
	counts := map[string]int{}
	for happened := false; !happened && out.Scan(); {
		words := strings.Fields(out.Text())
		if n, err := strconv.Atoi(words[1]); err == nil && len(words) == 2 {
			counts[words[0]] = n
		}
		happened = strings.HasSuffix(out.Text(), ")")
	}
	ask := func(resource string) (int, int) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+resource, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Engage-Api-Key", campusKey("", "").Header)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		var e struct{ TotalItems int }
		if w.StatusCode == http.StatusOK {
			if err := json.NewDecoder(w.Body).Decode(&e); err != nil {
				t.Fatal(err)
			}
		}
		return w.StatusCode, e.TotalItems
	}
	if status, n := ask("memberships"); status != http.StatusOK || counts["memberships"] != 300 || n == 0 {
		t.Errorf("memberships: %d, %d told, %d listed", status, counts["memberships"], n)
	}
	if status, _ := ask("events"); status != http.StatusForbidden {
		t.Errorf("out of scope: %d", status)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestFakeEngageRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	good := teaching{listen: fakeListener{address: "127.0.0.1:0"}, memberships: 1, hash: "sha256"}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*teaching){
		"--listen": func(a *teaching) { a.listen.address = "0.0.0.0:80" }, "--memberships": func(a *teaching) { a.memberships = 0 }, "--hash": func(a *teaching) { a.hash = "sha1" },
		"--ip": func(a *teaching) { a.ip = "::1" }, "--scope": func(a *teaching) { a.scope = []string{"forms"} },
	} {
		args := good
		spoil(&args)
		if err := args.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := campusOf(1000, 1, time.Now()).Live(engage.Resources()[0]); n != 12 {
		t.Errorf("%d organizations", n)
	}
}
