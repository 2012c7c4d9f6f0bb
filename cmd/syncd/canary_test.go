package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
)

// canaries are texts that occur nowhere else in the world: tokens, passwords, ids and values of the corpus.
type canaries struct {
	texts map[string]string // what it is -> the text
	made  int
	sinks map[string]*bytes.Buffer
}

// of makes a canary.
func (c *canaries) of(what string) string {
	c.made++
	text := fmt.Sprintf("cnry%06xq%s", 0xA17E5+c.made*7919, strings.Repeat("z", c.made%3))
	c.texts[fmt.Sprintf("%s %d", what, c.made)] = text
	return text
}

func (c *canaries) sink(name string) *bytes.Buffer {
	if c.sinks[name] == nil {
		c.sinks[name] = &bytes.Buffer{}
	}
	return c.sinks[name]
}

// dresses are the ways in which a secret travels unseen.
func dresses(text string) []string {
	reversed := []byte(text)
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	all := []string{text, url.QueryEscape(text), hex.EncodeToString([]byte(text)), string(reversed), strings.Trim(fmt.Sprint([]byte(text)), "[]")}
	for _, shift := range []string{"", "x", "xy"} { // base64 looks different at each place modulo three
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			coded := enc.EncodeToString([]byte(shift + text))
			all = append(all, coded[4:len(coded)-4])
		}
	}
	return all
}

// hits searches every sink for every canary in every dress.
func (c *canaries) hits() (found []string, bytes int) {
	for name, sink := range c.sinks {
		text := sink.String()
		lower := strings.ToLower(text)
		bytes += len(text)
		for what, canary := range c.texts {
			for _, dress := range dresses(canary) {
				if at := strings.Index(lower, strings.ToLower(dress)); at >= 0 {
					found = append(found, fmt.Sprintf("%s in %s: ...%s...", what, name, text[max(0, at-120):min(len(text), at+60)]))
					break
				}
			}
		}
	}
	return found, bytes
}

// TestNoSecretAndNoValueIsEverShown runs the program in every way that this file knows, well and failing, with everything logged,
// and searches what it and Postgres wrote for what was in tokens, passwords and cells.
func TestNoSecretAndNoValueIsEverShown(t *testing.T) {
	c := &canaries{texts: map[string]string{}, sinks: map[string]*bytes.Buffer{}}
	pg := pgtest.Private(t, pgembed.Options{Port: -1, Settings: map[string]string{
		"log_statement": "all", "log_min_error_statement": "error", "log_error_verbosity": "verbose",
		"log_parameter_max_length": "0", // what a DBA may ask for: statements, not what is bound to them
	}})
	database := pg.TCP("postgres")
	parsed, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := parsed.User.Password()
	c.texts["password of the database"] = password

	s := &stage{}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.url = web.URL + "/api/"
	n := &night{t: t, c: c, stage: s, database: database}
	n.goodRuns()
	n.badAnswers()
	n.child()
	n.serve()
	log, err := os.ReadFile(pg.Log())
	if err != nil {
		t.Fatal(err)
	}
	c.sink("log of Postgres").Write(log)
	n.foreignRules() // Postgres writes the rows of these into its own log, and no client can keep it from that

	found, scanned := c.hits()
	for _, f := range found {
		t.Error(f)
	}
	t.Logf("canaries %d, each in %d dresses; sinks %d, bytes %d (log of Postgres %d, log_statement = all); commands %d; hits %d",
		len(c.texts), len(dresses("some canary")), len(c.sinks), scanned, len(log), n.commands, len(found))
}

// night is what the test plays on.
type night struct {
	t        *testing.T
	c        *canaries
	stage    *stage
	database string
	commands int
	values   []string
}

// scene makes a source full of canaries and a job that reads it.
func (n *night) scene() *scene {
	n.t.Helper()
	p := fake.Synthetic(hostileSpec(fake.Mixed))
	err := p.AddForm(fake.Form{Name: "secret"}, fake.Field{Name: "s_text", Type: "notes", Label: "Text", Identifier: "y"},
		fake.Field{Name: "s_number", Type: "text", Validation: "number", Label: "Number"}, fake.Field{Name: "s_date", Type: "text", Validation: "date_ymd", Label: "Date"})
	if err == nil {
		err = p.Designate("enrollment_arm_1", "secret", true)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	if len(n.values) == 0 {
		for range 40 {
			n.values = append(n.values, n.c.of("value"))
		}
	}
	for i := 0; i+4 < len(n.values); i += 5 {
		v := n.values[i:]
		err := p.AddRecord(v[0], map[string]string{"s_text": v[1] + "\n" + v[1], "s_number": v[2], "s_date": v[3], "redcap_survey_identifier": v[4], "secret_complete": "2"})
		if err != nil {
			n.t.Fatal(err)
		}
	}
	sc := n.stage.scene(n.t, p, fake.Options{}, n.database, "")
	n.c.texts["token "+sc.token] = sc.token
	return sc
}

// say runs a command in every format of the log and keeps what was printed.
func (n *night) say(sc *scene, name string, args ...string) (code int) {
	n.t.Helper()
	for _, format := range []string{"text", "json"} {
		from := sc.said.Len()
		code = sc.run(n.t, append([]string{"--log-level", "debug", "--log-format", format}, args...)...)
		n.commands++
		n.c.sink(name).WriteString(sc.said.String()[from:])
	}
	return code
}

func (n *night) goodRuns() {
	sc := n.scene()
	n.say(sc, "check", "check")
	for _, args := range [][]string{
		{"sync", "ward"},
		{"sync", "--full", "ward"},
		{"sync", "--dry-run", "ward"},
		{"status"},
		{"status", "-o", "json"},
		{"runs"},
		{"runs", "-o", "csv"},
		{"run", "1"},
		{"run", "1", "-o", "json"},
		{"config", "ward"},
		{"config", "ward", "-o", "json"},
		{"plan"},
		{"check", "-o", "json"},
		{"migrate", "status"},
		{"approve", "1"},
	} {
		if code := n.say(sc, strings.Join(args, " "), args...); code != exitDone && args[0] == "sync" {
			n.t.Errorf("%v: exit %d\n%s", args, code, sc.tail())
		}
	}
}

// answers says what a server answers to the requests of a kind, with the token and a value at hand.
type answers struct {
	name   string
	when   func(form url.Values) bool
	status int
	header [2]string
	body   func(token string, v []string) string
}

func (n *night) badAnswers() {
	data := func(f url.Values) bool { return f.Has("records[0]") && f.Get("records[0]") != noSuchRecord }
	list := func(f url.Values) bool { return f.Get("content") == "record" && f.Get("format") == "json" }
	content := func(name string) func(url.Values) bool {
		return func(f url.Values) bool { return f.Get("content") == name }
	}
	complaint := func(token string, v []string) string {
		return fmt.Sprintf(`{"error":"The value '%s' of record '%s' (token %s) is not valid: INSERT INTO redcap_data VALUES ('%s')"}`, v[1], v[0], token, v[2])
	}
	page := func(token string, v []string) string {
		return "<!DOCTYPE html><html><b>Fatal error</b>: " + v[1] + " token=" + token + "</html>"
	}
	all := []answers{
		{"echo 400", data, 400, [2]string{}, complaint},
		{"echo 401", data, 401, [2]string{}, complaint},
		{"echo 403", data, 403, [2]string{}, complaint},
		{"echo 404", content("project"), 404, [2]string{}, complaint},
		{"echo 500", data, 500, [2]string{}, complaint},
		{"echo 200", data, 200, [2]string{}, complaint},
		{"echo 200 for the list", list, 200, [2]string{}, complaint},
		{"page", data, 200, [2]string{}, page},
		{"page 403", data, 403, [2]string{}, page},
		{"redirect", data, 307, [2]string{"Location", "https://TOKEN.example.org/TOKEN/VALUE?token=TOKEN&v=VALUE#VALUE"}, page},
		{"odd wait", list, 503, [2]string{"Retry-After", "VALUE"}, page},
		{"odd encoding", data, 200, [2]string{"Content-Encoding", "VALUE"}, page},
		{"odd type", data, 200, [2]string{"Content-Type", "VALUE"}, page},
		{"odd location", content("metadata"), 302, [2]string{"Location", "VALUE://TOKEN"}, page},
		{"broken list", list, 200, [2]string{}, func(_ string, v []string) string {
			return `[{"record_id":"` + v[0] + `"},{"` + v[1] + `":` + v[2] + `}]`
		}},
		{"list of lists", list, 200, [2]string{}, func(_ string, v []string) string { return `[["` + v[0] + `"]]` }},
		{"name twice", list, 200, [2]string{}, func(_ string, v []string) string { return `[{"` + v[0] + `":"","` + v[0] + `":""}]` }},
		{"cut in a value", list, 200, [2]string{}, func(_ string, v []string) string { return `[{"record_id":"` + v[0] }},
		{"no JSON", content("metadata"), 200, [2]string{}, func(token string, v []string) string { return "field_name," + v[0] + token }},
		{"broken JSON", content("metadata"), 200, [2]string{}, func(_ string, v []string) string { return `[{"field_name":"` + v[0] + `","x":tru` + v[1] }},
		{"broken instruments", content("instrument"), 200, [2]string{}, func(_ string, v []string) string { return `[{"instrument_name":"x",{"` + v[0] + `":1}}]` }},
		{"odd version", content("version"), 200, [2]string{}, func(_ string, v []string) string { return v[0] }},
		{"odd header", data, 200, [2]string{}, func(_ string, v []string) string { return v[0] + "," + v[1] + "\n" + v[2] + ",1\n" }},
		{"open quote", data, 200, [2]string{}, func(_ string, v []string) string { return "record_id\n\"" + v[2] + "\n" }},
	}
	for _, a := range all {
		sc := n.scene()
		sc.front = func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
			if !a.when(form) {
				return false
			}
			fill := strings.NewReplacer("TOKEN", sc.token, "VALUE", n.values[1])
			if a.header[0] != "" {
				w.Header().Set(a.header[0], fill.Replace(a.header[1]))
			}
			w.WriteHeader(a.status)
			fmt.Fprint(w, a.body(sc.token, n.values))
			return true
		}
		for _, verb := range []string{"sync", "check"} {
			if code := n.say(sc, verb+": "+a.name, verb, "ward"); code == exitDone && verb == "sync" {
				n.t.Errorf("%s: the run succeeded", a.name)
			}
		}
		n.say(sc, "status after "+a.name, "status", "-o", "json")
	}
	n.mangled()
}

// mangled are rows that cannot be stored: they become rejects, and rejects hold what was sent.
func (n *night) mangled() {
	v := n.values
	for name, swap := range map[string][2]string{
		"ids that are no text": {v[0], v[0] + "\xff"}, "values that are no text": {v[1], v[1] + "\xff\x00"}, "unknown events": {"visit_1_arm_1", v[6]},
		"instances that are no number": {",form_2,2,", ",form_2," + v[7] + ","}, "unknown instruments": {",form_2,", "," + v[8] + ","}, "more cells than columns": {v[3], v[3] + ",,,,," + v[4]},
	} {
		sc := n.scene()
		sc.mangle = func(form url.Values, b []byte) []byte {
			if form.Get("content") != "record" || form.Get("records[0]") == noSuchRecord {
				return b
			}
			return bytes.ReplaceAll(b, []byte(swap[0]), []byte(swap[1]))
		}
		n.say(sc, "sync: "+name, "sync", "ward")
		id := scalar(n.t, n.database, "SELECT max(run_id) FROM syncd.run")
		n.say(sc, "run: "+name, "run", id)
		n.say(sc, "run as json: "+name, "run", id, "-o", "json")
	}
}

// foreignRules are constraints and triggers that somebody else put on the tables: Postgres's own words hold the row.
func (n *night) foreignRules() {
	for _, rule := range []string{
		"ALTER TABLE ward.secret ADD CONSTRAINT foreign_rule CHECK (s_text NOT LIKE '%changed%')",
		`CREATE FUNCTION ward.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', NEW USING DETAIL = NEW::text, HINT = NEW::text; END $$;
			CREATE TRIGGER foreign_rule BEFORE INSERT OR UPDATE ON ward.secret FOR EACH ROW EXECUTE FUNCTION ward.shout()`,
		`CREATE OR REPLACE FUNCTION ward.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', NEW
				USING ERRCODE = '55000', DETAIL = NEW::text, HINT = NEW::text, COLUMN = NEW.s_text, DATATYPE = NEW.s_text, SCHEMA = NEW.s_text; END $$;
			CREATE TRIGGER foreign_rule BEFORE INSERT OR UPDATE ON ward.secret FOR EACH ROW EXECUTE FUNCTION ward.shout()`,
		"CREATE UNIQUE INDEX foreign_rule ON ward.secret ((CASE WHEN s_text LIKE '%changed%' THEN 1 END))",
	} {
		sc := n.scene()
		for i := 0; i < 10; i += 5 {
			changed := fmt.Sprintf("changed %s %d", n.values[i+1], len(rule))
			if err := sc.project.SetMany(n.values[i], fake.Place{}, map[string]string{"s_text": changed}); err != nil {
				n.t.Fatal(err)
			}
		}
		statement(n.t, n.database, rule)
		n.say(sc, "sync under a foreign rule", "sync", "ward")
		n.say(sc, "status under a foreign rule", "status")
		statement(n.t, n.database, "ALTER TABLE ward.secret DROP CONSTRAINT IF EXISTS foreign_rule; DROP TRIGGER IF EXISTS foreign_rule ON ward.secret; DROP INDEX IF EXISTS ward.foreign_rule")
	}
}

// child looks at a process of its own while it reads records: at its command line, those of Postgres, and the statements under way.
func (n *night) child() {
	sc := n.scene()
	seen := make(chan struct{})
	var once sync.Once
	cmd := exec.Command("syncd", "-c", filepath.Join(sc.dir, "jobs.toml"), "--log-level", "debug", "sync", "ward")
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdout, cmd.Stderr = n.c.sink("stdout of a process"), n.c.sink("stderr of a process")
	sc.server.OnRequest(func(r fake.Request) {
		if asksData(r) {
			once.Do(func() { n.look(); close(seen) })
		}
	})
	if err := cmd.Run(); err != nil {
		n.t.Errorf("child: %v\n%s", err, cmd.Stderr)
	}
	n.commands++
	<-seen
}

func (n *night) look() {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		text, _ := os.ReadFile(f) // it may be gone by now
		n.c.sink("command lines of processes").Write(append(bytes.ReplaceAll(text, []byte{0}, []byte(" ")), '\n'))
	}
	conn, err := pgx.Connect(n.t.Context(), n.database)
	if err != nil {
		n.t.Error(err)
		return
	}
	defer conn.Close(n.t.Context())
	var text string
	if err := conn.QueryRow(n.t.Context(), "SELECT coalesce(string_agg(query, E'\\n'), '') FROM pg_stat_activity").Scan(&text); err != nil {
		n.t.Error(err)
	}
	n.c.sink("pg_stat_activity").WriteString(text)
}

// watched keeps what is written and tells once when a pattern has come by.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wait  *regexp.Regexp
	found chan string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if m := w.wait.FindStringSubmatch(w.text.String()); m != nil && w.found != nil {
		w.found <- m[1]
		w.found = nil
	}
	return len(p), nil
}

// serve starts the daemon, asks its health endpoints, and ends it.
func (n *night) serve() {
	sc := n.scene()
	signals, found := make(chan os.Signal, 1), make(chan string, 1)
	out := &watched{wait: regexp.MustCompile(`admin=(127\.0\.0\.1:\d+)`), found: found}
	m := &Main{Args: []string{"-c", filepath.Join(sc.dir, "jobs.toml"), "--log-level", "debug", "serve"}, Stdout: out, Stderr: out, Now: time.Now, Signals: signals}
	code := make(chan int)
	go func() { code <- m.Run(n.t.Context()) }()
	addr := <-found
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/debug/pprof/cmdline", "/?token=" + sc.token} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			n.t.Error(err)
			continue
		}
		_, _ = n.c.sink("serve " + strings.Split(path, "?")[0]).ReadFrom(resp.Body)
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	signals <- syscall.SIGTERM
	if c := <-code; c != exitDone {
		n.t.Errorf("serve: exit %d", c)
	}
	n.commands++
	n.c.sink("serve").Write(out.text.Bytes())
}
