package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// recordedNight is a warehouse into which every recorded project was pulled by the program itself.
type recordedNight struct {
	dir      string // of jobs.toml
	conn     *pgx.Conn
	projects []recordedProject
}

type recordedProject struct {
	job string // and schema
	*recording
}

// TestRecordedProjectsAreInTheTablesCellByCell pulls every recorded project over HTTP and compares the tables with
// the files of the recording, read by code of its own; then pulls all of it again.
func TestRecordedProjectsAreInTheTablesCellByCell(t *testing.T) {
	n := newRecordedNight(t)
	n.sync(t)
	var total comparison
	for _, p := range n.projects {
		t.Run(p.file, func(t *testing.T) { total.add(n.compare(t, p)) })
	}
	t.Logf("projects %d, rows %d, cells %d (%d filled), mismatches %d", len(n.projects), total.rows, total.cells, total.filled, len(total.mismatches))
	t.Logf("of that: %d forms with status 0 and nothing else, which may never have been opened (%d have a row); "+
		"%d values shown of such forms only; %d cells of columns that a recording lacks", total.unopened, total.unopenedStored, total.leftOut, total.unrecorded)
	if len(n.projects) < 50 || total.filled < 5_000 {
		t.Errorf("projects %d, filled cells %d: the recordings are not whole", len(n.projects), total.filled)
	}
	t.Run("another program's load of the same project says the same", n.agreesWithPeer)
	t.Run("the dictionaries are kept as recorded", n.keepsDictionaries)
	t.Run("a second sync touches nothing", n.touchesNothing)
	t.Run("a change to any cell, row or key is seen", n.seesChanges)
}

func (c *comparison) add(o *comparison) {
	c.rows += o.rows
	c.cells += o.cells
	c.filled += o.filled
	c.unopened += o.unopened
	c.unopenedStored += o.unopenedStored
	c.leftOut += o.leftOut
	c.unrecorded += o.unrecorded
	c.mismatches = append(c.mismatches, o.mismatches...)
}

// newRecordedNight serves each project as a REDCap of its own, because recordings share project ids, and writes the
// jobs.toml that a user of so many servers would have.
func newRecordedNight(t *testing.T) *recordedNight {
	t.Helper()
	folder := fixtures(t)
	n := &recordedNight{dir: t.TempDir()}
	url := pgtest.New(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	var toml strings.Builder
	toml.WriteString("[postgres]\nurl = \"file:database\"\n")
	write(t, n.dir, "database", url)
	for i, source := range recordedSources(t, folder) {
		served := readServed(t, filepath.Join(folder, filepath.FromSlash(source.file)), source.kind)
		p := recordedProject{fmt.Sprintf("p%02d", i+1), source.read(t, folder)}
		fake := redcap.NewServer(redcap.Options{Path: "/" + p.job + "/api/"})
		fake.Add(served)
		t.Cleanup(func() {
			if err := fake.ReadOnly(); err != nil {
				t.Errorf("%s: %v", p.file, err)
			}
		})
		mux.Handle("/"+p.job+"/", fake)
		fmt.Fprintf(&toml, "[redcap.%[1]s]\nurl = %[2]q\nrequests_per_minute = 0\n[job.%[1]s]\nsource = \"redcap.%[1]s\"\ntoken = \"file:%[1]s.token\"\n",
			p.job, server.URL+"/"+p.job+"/api/")
		write(t, n.dir, p.job+".token", served.Token())
		n.projects = append(n.projects, p)
	}
	write(t, n.dir, "jobs.toml", toml.String())

	var err error
	if n.conn, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.conn.Close(context.WithoutCancel(t.Context())) })
	return n
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readServed makes the fake's project of a recording.
func readServed(t *testing.T, path, kind string) *redcap.Project {
	t.Helper()
	read := redcap.ReadRecording
	switch kind {
	case "folder":
		path, read = filepath.Dir(path), redcap.ReadFolder
	case "xml":
		read = redcap.ReadXML
	}
	p, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sync runs `syncd sync --all` as main does.
func (n *recordedNight) sync(t *testing.T) {
	t.Helper()
	var out, complaints bytes.Buffer
	m := &Main{
		Args: []string{"-c", filepath.Join(n.dir, "jobs.toml"), "sync", "--all"}, Stdout: &out, Stderr: &complaints,
		Stdin: strings.NewReader(""), Now: time.Now,
	}
	if code := m.Run(t.Context()); code != exitDone {
		t.Errorf("exit code %d\n%s", code, complaints.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.Contains(line, ": ") && !strings.Contains(line, "succeeded, proven") {
			t.Error(line)
		}
	}
}

// inTransaction runs do in a transaction that is rolled back.
func (n *recordedNight) inTransaction(t *testing.T, do func(pgx.Tx)) {
	t.Helper()
	tx, err := n.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	do(tx)
}

// compare holds one project against its tables and tells the first mismatches.
func (n *recordedNight) compare(t *testing.T, p recordedProject) *comparison {
	t.Helper()
	var c *comparison
	n.inTransaction(t, func(tx pgx.Tx) {
		var err error
		if c, err = p.recording.compare(t.Context(), tx, p.job); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("rows %d, cells %d (%d filled), mismatches %d", c.rows, c.cells, c.filled, len(c.mismatches))
	for i, m := range c.mismatches {
		if i == 10 {
			t.Errorf("and %d more", len(c.mismatches)-10)
			break
		}
		t.Error(m)
	}
	return c
}
