package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

// stage is where hostile cases are played. They share one address, because a job is bound to that of its first run; the
// token tells whose request it is. Two databases hold loaded warehouses that cases get copies of.
type stage struct {
	url    string
	plays  sync.Map // token -> *scene
	loaded map[fake.SpecKind]*loadedWorld
	made   atomic.Int64
	mu     sync.Mutex
	free   map[shelf][]string // databases that cases are done with
	totals totals
}

// loadedWorld is a warehouse after a good first run.
type loadedWorld struct {
	database string
	holds    contents
}

// totals are the figures of the whole table.
type totals struct {
	cases, runs, deletes, blanks, unaccounted, panics, healed atomic.Int64
}

// hostileSpec is the project that every case begins with; equal specs are equal projects.
func hostileSpec(kind fake.SpecKind) fake.Spec {
	return fake.Spec{Kind: kind, Records: 60, Fields: 12, Forms: 3, ID: 7, Title: "Ward", DAGs: 2, Missing: true, Surveys: true, Misfits: 5}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{loaded: map[fake.SpecKind]*loadedWorld{}, free: map[shelf][]string{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.url = web.URL + "/api/"
	for _, kind := range []fake.SpecKind{fake.Classic, fake.Mixed} {
		sc := s.scene(t, fake.Synthetic(hostileSpec(kind)), fake.Options{}, pgtest.New(t), "")
		if code := sc.run(t, "sync", "ward"); code != exitDone {
			t.Fatalf("first load: exit %d\n%s", code, sc.said.String())
		}
		s.loaded[kind] = &loadedWorld{database: sc.database, holds: readContents(t, sc.database)}
	}
	return s
}

// ServeHTTP finds the scene by the token, lets its front answer or change what the fake answers.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cut", http.StatusBadRequest)
		return
	}
	form, _ := url.ParseQuery(string(body))
	found, ok := s.plays.Load(form.Get("token"))
	if !ok {
		http.Error(w, "You do not have permissions to use the API", http.StatusForbidden)
		return
	}
	sc := found.(*scene)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if sc.front != nil && sc.front(w, r, form) {
		return
	}
	if sc.mangle == nil {
		sc.server.ServeHTTP(w, r)
		return
	}
	held := httptest.NewRecorder()
	sc.server.ServeHTTP(held, r)
	for name, values := range held.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(held.Code)
	_, _ = w.Write(sc.mangle(form, held.Body.Bytes()))
}

// scene is one case under way: a project at the source, a database, and the files of a job that reads one into the other.
type scene struct {
	server   *fake.Server
	project  *fake.Project
	token    string
	front    func(w http.ResponseWriter, r *http.Request, form url.Values) bool // true: it has answered
	mangle   func(form url.Values, body []byte) []byte                          // changes answers
	database string
	dir      string
	said     strings.Builder // stdout and stderr of every command
}

func (s *stage) scene(t *testing.T, p *fake.Project, o fake.Options, database, job string) *scene {
	t.Helper()
	sc := &scene{server: fake.NewServer(o), project: p, database: database, dir: t.TempDir(), token: fmt.Sprintf("%032X", 0xC0FFEE0000+s.made.Add(1))}
	p.SetToken(sc.token)
	sc.server.Add(p)
	s.plays.Store(sc.token, sc)
	sc.write(t, "token", sc.token)
	sc.write(t, "database", database)
	sc.write(t, "jobs.toml", fmt.Sprintf("[postgres]\nurl = \"file:database\"\n[serve]\nadmin = \"127.0.0.1:0\"\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n"+
		"[job.ward]\nsource = \"redcap.main\"\ntoken = \"file:token\"\n%s\n", s.url, job))
	return sc
}

func (sc *scene) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(sc.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tail is the end of what was said: enough to see why.
func (sc *scene) tail() string {
	said := sc.said.String()
	return said[max(0, len(said)-1200):]
}

// run executes a command line in this process and returns its exit code.
func (sc *scene) run(t *testing.T, args ...string) int {
	t.Helper()
	m := &Main{Args: append([]string{"-c", filepath.Join(sc.dir, "jobs.toml")}, args...), Stdout: &sc.said, Stderr: &sc.said, Now: time.Now, wait: time.Millisecond}
	return m.Run(t.Context())
}

// borrow gives a case a database: a copy of a loaded warehouse, or one that nothing was ever loaded into. Those that a case
// leaves as they were are used again.
func (s *stage) borrow(t *testing.T, kind fake.SpecKind, full bool) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	shelf := shelf{kind, full}
	if free := s.free[shelf]; len(free) > 0 {
		s.free[shelf] = free[:len(free)-1]
		return free[len(free)-1]
	}
	first, _, _ := strings.Cut(strings.Trim(databaseOf(t, s.loaded[fake.Mixed].database), `"`), "_") // no other test has a database of that name
	name := fmt.Sprintf("%s_hostile_%d", first, s.made.Add(1))
	from := "template_syncd"
	if full {
		from = databaseOf(t, s.loaded[kind].database)
	}
	onServer(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from))
	onServer(t, fmt.Sprintf("GRANT CREATE, TEMPORARY ON DATABASE %s TO %s", name, migrations.RoleApp))
	url := pgtest.As(pgtest.Server(t).URL(name), migrations.RoleApp)
	pgtest.Unbind(t, url)
	return url
}

// giveBack takes a database for the next case. One that holds something else by now is emptied, or forgotten: it goes
// with its server.
func (s *stage) giveBack(t *testing.T, kind fake.SpecKind, full, same bool, url string) {
	t.Helper()
	if t.Failed() || full && !same {
		t.Logf("database kept: %s", url)
		return
	}
	if !full {
		statement(t, url, `SET session_replication_role = replica; SET client_min_messages = error;
			DROP SCHEMA IF EXISTS ward, ward_meta, ward_deleted CASCADE;
			DO $$ DECLARE t text; BEGIN
				FOR t IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'syncd' AND tablename !~ '^(installation|schema_migration|river)' LOOP
					EXECUTE 'DELETE FROM ' || t;
				END LOOP;
			END $$`)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free[shelf{kind, full}] = append(s.free[shelf{kind, full}], url)
}

// shelf is a kind of database that cases borrow.
type shelf struct {
	kind fake.SpecKind
	full bool
}
