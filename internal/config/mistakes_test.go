package config

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files and docs/jobs.md anew")

// The beginnings that most mistakes are made in, one line each so that a mistake's own lines are easy to count.
const (
	pg     = `postgres.url = "env:DATABASE_URL"` + "\n"
	server = pg + `redcap.main = { url = "https://redcap.example.edu/api/", tokens = "dir:tokens" }` + "\n"
	job    = server + "[job.asthma]\nsource = \"redcap.main\"\n" // 4 lines
	canary = "9A4E5B7C1D2F30617283940A5B6C7D8E"                  // a token that somebody pasted where none belongs
)

type mistake struct {
	name, text string
	want       string // position, field, value, reason; problems apart by newlines
}

// pullable is what the reason says that pull may name.
const pullable = "must be records or dags or users or log or log.details or participants or files or file_repository or reports"

func mistakesOfForm() []mistake {
	return []mistake{
		{"misspelt job key", job + "shedule = '@daily'", "5:1: job.asthma.shedule: unknown key; did you mean schedule?"},
		{"swapped letters", job + "tokne = 'env:A'", "5:1: job.asthma.tokne: unknown key; did you mean token?"},
		{"key of nowhere", server + "[serve]\nport = 80", "4:1: serve.port: unknown key; known here are admin, cert_file, key_file, listen, log_level, public_url, trusted_proxies"},
		{"misspelt table", pg + "[postgress]\nddl = 'plan'", "2:2: postgress: unknown key; did you mean postgres?"},
		{"job key on a server", server + "[redcap.b]\nurl = 'https://b.example.edu/api/'\nschedule = '@daily'", "5:1: redcap.b.schedule: unknown key; known here are ca_file, ca_only, client_cert, client_key, contact, defaults, proxy, requests_per_minute, timeout, timezone, tokens, url"},
		{"unknown key in defaults that no job uses", pg + "[defaults]\npul = ['records']", "3:1: defaults.pul: unknown key; did you mean pull?"},
		{"key twice", job + "schema = 'a'\nschema = 'b'", "6:1: job.asthma.schema: is already at jobs.toml:5"},
		{"table twice", job + "[job.asthma]\nschema = 'b'", "5:6: job.asthma: is already at jobs.toml:3"},
		{"inline table opened again", server + "[redcap.main]\ntimezone = 'UTC'", "3:9: redcap.main: is already at jobs.toml:2"},
		{"unknown way to catch up", job + "catch_up = 'last'", `5:12: job.asthma.catch_up = "last": must be latest or all or none`},
		{"unknown overlap", job + "overlap = 'wait'", `5:11: job.asthma.overlap = "wait": must be skip or queue`},
		{"spread over the next slot", job + "schedule = '@hourly'\nspread = '60m'", `6:10: job.asthma.spread = "60m": must be shorter than the 1h between two slots of schedule = "@hourly"`},
		{"spread of defaults over the next slot", server + "[defaults]\nspread = '2h'\n[job.asthma]\nsource = 'redcap.main'\nschedule = '0 9-17 * * *'\n[job.b]\nsource = 'redcap.main'\nschedule = '0 9-17 * * *'", `4:10: defaults.spread = "2h": must be shorter than the 1h between two slots of schedule = "0 9-17 * * *"`},
		{"spread over the next full slot", job + "full = '@daily'\nspread = '1d'", `6:10: job.asthma.spread = "1d": must be shorter than the 24h between two slots of full = "@daily"`},
		{"number for a text", job + "schema = 7", "5:10: job.asthma.schema = 7: must be a text in quotes, not a whole number"},
		{"text for a number", pg + "[redcap.b]\nurl = 'https://b.example.edu/api/'\nrequests_per_minute = 'many'", `4:23: redcap.b.requests_per_minute = "many": must be a whole number, not a text in quotes`},
		{"text for a truth", "data_dir = 'd'\n[postgres]\nprivate = 'yes'", "2:2: postgres.url: is missing: write url = \"env:DATABASE_URL\" under [postgres]\n3:11: postgres.private = \"yes\": must be true or false, not a text in quotes"},
		{"text for a list", job + "skip_forms = 'contact'", `5:14: job.asthma.skip_forms = "contact": must be a list of texts such as ["a", "b"], not a text in quotes`},
		{"number in a list", job + "skip_forms = ['a', 1]", "5:1: job.asthma.skip_forms: must be a list of texts; one of its elements is a whole number"},
		{"empty element", job + "skip_fields = ['']", "5:1: job.asthma.skip_fields: has an empty element"},
		{"element twice", job + "skip_fields = ['a', 'a']", `5:1: job.asthma.skip_fields: names "a" twice`},
		{"date for a text", job + "schema = 2026-01-01", "5:10: job.asthma.schema: must be a text in quotes, not a date, a time, a number with decimals or a list of tables"},
		{"number too large", pg + "[redcap.b]\nurl = 'https://b.example.edu/api/'\nrequests_per_minute = 99999999999", "4:23: redcap.b.requests_per_minute = 99999999999: must be a whole number that fits into 32 bits"},
		{"list of tables", pg + "[[job]]\nname = 'a'", "2:3: job: must be written as [job.NAME]"},
		{"value for a table", pg + "[job]\nasthma = 'redcap.main'", "3:1: job.asthma: must be a table, [job.NAME], not a text in quotes"},
		{"table for a value", job + "token = {env = 'A'}", "5:9: job.asthma.token: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS, not a table"},
		{"no quotes", job + "schema = asthma", "5:10: not TOML: unexpected character U+0061 'a' at start of value"},
		{"colon instead of equals", job + "schema: 'a'\ntoken: 'b'", "5:7: not TOML: expected '=' after key\n6:6: not TOML: expected '=' after key"},
		{"no quotes around what is required", server + "[job.b]\nsource = redcap.main", "4:10: not TOML: unexpected character U+0072 'r' at start of value"},
		{"text left open", job + "records_where = \"\"\"[a] = '1'\n[b] = '2'\n", "5:1: not TOML: what begins here is not closed"},
		{"server's header left open", pg + "[redcap.main\nurl = 'x'\n[job.b]\nsource = 'redcap.main'\ntoken = 'env:A'", "2:13: not TOML: expected ']' to close table name"},
		{"server of a bad name", pg + "[redcap.Main]\nurl = 'https://b.example.edu/api/'\n[job.b]\nsource = 'redcap.Main'\ntoken = 'env:A'", "2:9: redcap.Main: a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"},
		{"quote left open", job + "schema = 'a\npull = ['x']", "5:12: not TOML: literal strings cannot have new lines\n6:1: job.asthma.pull: element \"x\" " + pullable + ""},
		{"list left open", job + "pull = ['records',\n[job.b]\nsource = 'redcap.man'", "5:1: not TOML: what begins here is not closed\n7:10: job.b.source = \"redcap.man\": there is no such source; did you mean redcap.main?"},
		{"header left open", job + "[job.b\nsource = 1\n[serve]\nadmin = 2", "5:7: not TOML: expected ']' to close table name\n8:9: serve.admin = 2: must be a text in quotes, not a whole number"},
		{"byte-order mark", "\xef\xbb\xbf" + job, "1:1: the file begins with a byte-order mark: save it as UTF-8 without one"},
		{"UTF-16", "\xff\xfep\x00o\x00", "1:1: the file is UTF-16 or holds NUL bytes: save it as UTF-8"},
		{"not UTF-8", job + "schema = 'a\xff'", "5:12: not TOML: invalid UTF-8 character in literal string"},
		{"control character", job + "schema = \"a\\u0007\"", `5:10: job.asthma.schema = "a\a": holds a control character`},
		{"too large", pg + strings.Repeat("# nothing\n", 1<<20), "1:1: the file is larger than 1 MiB, which no configuration is: split it with include"},
		{"nested too deep", job + "pull = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "5:1: job.asthma.pull: not TOML: tables and lists are nested too deep\n5:1: job.asthma.pull: must be a list of texts; one of its elements is a list"},
		{"columns count characters", pg + "job.\"é\" = 1", "2:5: job.\"\\u00e9\": must be a table, [job.NAME], not a whole number"},
	}
}

func mistakesOfMeaning() []mistake {
	b := pg + "[redcap.b]\n"
	return []mistake{
		{"nothing at all", "", "1:1: postgres.url: is missing: write url = \"env:DATABASE_URL\" under [postgres]"},
		{"unknown time zone", pg + "timezone = 'Mars/Olympus'", `2:12: timezone = "Mars/Olympus": time zone "Mars/Olympus" is unknown: names are those of the tz database, such as America/New_York or UTC`},
		{"zone of the machine", b + "url = 'https://b.example.edu/api/'\ntimezone = 'Local'", `4:12: redcap.b.timezone = "Local": time zone "Local" depends on the machine: name one such as America/New_York or UTC`},
		{"two Postgreses", "data_dir = 'd'\n[postgres]\nurl = 'env:A'\nprivate = true", "4:11: postgres.private = true: contradicts url: name one Postgres, at jobs.toml:3 or a private one"},
		{"private without a folder", "[postgres]\nprivate = true", "2:11: postgres.private = true: needs data_dir at top level, the folder that the private Postgres lives in"},
		{"unknown choice", pg + "postgres.ddl = 'aply'", `2:16: postgres.ddl = "aply": must be apply or plan; did you mean apply?`},
		{"admin without a port", pg + "serve.admin = 'localhost'", `2:15: serve.admin = "localhost": must be host:port, such as "127.0.0.1:8081"`},
		{"admin with a port that is none", pg + "serve.admin = ':http'", `2:15: serve.admin = ":http": must end in a port from 0 to 65535`},
		{"server without URL", b, "2:9: redcap.b.url: is missing: the server's API URL, such as https://redcap.example.edu/api/"},
		{"http to another machine", b + "url = 'http://redcap.example.edu/api/'", `3:7: redcap.b.url = "http://redcap.example.edu/api/": must begin with https://: a token is never sent in the clear, except to this machine itself`},
		{"no slash at the end", b + "url = 'https://redcap.example.edu/api'", `3:7: redcap.b.url = "https://redcap.example.edu/api": must end with a slash: REDCap answers a URL without it with a redirect, which is never followed; write "https://redcap.example.edu/api/"`},
		{"user in the URL", b + "url = 'https://me:hunter2@redcap.example.edu/api/'", "3:7: redcap.b.url: holds a user name or password: those are not accepted in a URL"},
		{"query in the URL", b + "url = 'https://redcap.example.edu/api/?token=" + canary + "'", "3:7: redcap.b.url: must end with its path: no ? and no #"},
		{"space in the URL", b + "url = 'https://redcap.example.edu/api/ '", `3:7: redcap.b.url = "https://redcap.example.edu/api/ ": has spaces or line breaks in it`},
		{"international host", b + "url = 'https://rédcap.example.edu/api/'", `3:7: redcap.b.url = "https://rédcap.example.edu/api/": has letters beyond ASCII: write an international host name in its xn-- form`},
		{"port 0", b + "url = 'https://redcap.example.edu:0/api/'", `3:7: redcap.b.url = "https://redcap.example.edu:0/api/": must name a port from 1 to 65535, or none`},
		{"other scheme", b + "url = 'ftp://redcap.example.edu/api/'", `3:7: redcap.b.url = "ftp://redcap.example.edu/api/": must begin with https://`},
		{"no scheme", b + "url = 'redcap.example.edu/api/'", `3:7: redcap.b.url = "redcap.example.edu/api/": is not a URL with a host, such as https://redcap.example.edu/api/`},
		{"no limit on a real server", b + "url = 'https://redcap.example.edu/api/'\nrequests_per_minute = 0", "4:23: redcap.b.requests_per_minute = 0: 0 lifts the limit, which is accepted for a server on this machine only"},
		{"negative limit", b + "url = 'http://[::1]:80/api/'\nrequests_per_minute = -1", "4:23: redcap.b.requests_per_minute = -1: must be from 1 to 60000, or 0 for no limit"},
		{"tokens without dir:", b + "url = 'https://redcap.example.edu/api/'\ntokens = '" + canary + "'", "4:1: redcap.b.tokens: must be dir:PATH, a folder that holds the token of job NAME in the file NAME; a token itself is not accepted here"},
		{"ca_only without ca_file", b + "url = 'https://redcap.example.edu/api/'\nca_only = true", "4:11: redcap.b.ca_only = true: needs ca_file: without it no authority is trusted at all"},
		{"half a client certificate", b + "url = 'https://redcap.example.edu/api/'\nclient_cert = 'c.pem'", `4:15: redcap.b.client_cert = "c.pem": needs client_key, the key of that certificate`},
		{"password in the proxy", b + "url = 'https://redcap.example.edu/api/'\nproxy = 'http://u:hunter2@proxy:3128'", "4:9: redcap.b.proxy: holds a user name or password: those are not accepted in a URL"},
		{"timeout that is none", b + "url = 'https://redcap.example.edu/api/'\ntimeout = '5'", `4:11: redcap.b.timeout = "5": must be a duration above zero such as "90s", "5m", "26h" or "90d"`},
		{"header in the contact", b + "url = 'https://redcap.example.edu/api/'\ncontact = \"a\\nb\"", `4:11: redcap.b.contact = "a\nb": must be one address or URL, without brackets or line breaks: it is sent in a header`},
		{"job without source", server + "[job.a]", "3:6: job.a.source: is missing: the server that the project is on, redcap.NAME, or the campus, engage.NAME"},
		{"unknown source", server + "[job.a]\nsource = 'redcap.mian'", `4:10: job.a.source = "redcap.mian": there is no such source; did you mean redcap.main?`},
		{"source without its family", server + "[job.a]\nsource = 'main'", `4:10: job.a.source = "main": there is no such source; known here are redcap.main`},
		{"source in a server's defaults", pg + "[redcap.b]\nurl = 'https://b.example.edu/api/'\n[redcap.b.defaults]\nsource = 'redcap.b'", "5:1: redcap.b.defaults.source: a server's defaults are for its own jobs: name the source in each job"},
		{"no token anywhere", pg + "redcap.b.url = 'https://b.example.edu/api/'\n[job.a]\nsource = 'redcap.b'", `3:6: job.a.token: is missing: write token = "env:NAME" here, or tokens = "dir:PATH" at [redcap.b]`},
		{"bad name", server + "[job.Asthma-1]\nsource = 'redcap.main'", "3:6: job.Asthma-1: a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"},
		{"mistake in a table of a bad name", server + "[job.Asthma]\nsource = 'redcap.mian'", "3:6: job.Asthma: a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter\n4:10: job.Asthma.source = \"redcap.mian\": there is no such source; did you mean redcap.main?"},
		{"name of a side schema", server + "[job.asthma_deleted]\nsource = 'redcap.main'", "3:6: job.asthma_deleted: a name does not end in _deleted, which marks the side schemas that syncd makes"},
		{"name that is taken", server + "[job.pg_asthma]\nsource = 'redcap.main'", "3:6: job.pg_asthma: the name is taken by Postgres or by syncd itself"},
		{"name of 41 letters", server + "[job." + strings.Repeat("a", 41) + "]\nsource = 'redcap.main'", "3:6: job." + strings.Repeat("a", 41) + ": a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"},
		{"schema with a dot", job + "schema = 'pg_catalog.x'", `5:10: job.asthma.schema = "pg_catalog.x": a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter`},
		{"schema that is taken", job + "schema = 'public'", `5:10: job.asthma.schema = "public": the name is taken by Postgres or by syncd itself`},
		{"two jobs, one schema", job + "[job.copd]\nsource = 'redcap.main'\nschema = 'asthma'", `7:10: job.copd.schema = "asthma": is the schema of job asthma already (jobs.toml:3)`},
		{"schedule beyond the clock", job + "schedule = '61 * * * *'", `5:12: job.asthma.schedule = "61 * * * *": minute "61": not a number from 0 to 59`},
		{"schedule that never fires", job + "schedule = '0 0 30 2 *'", `5:12: job.asthma.schedule = "0 0 30 2 *": never fires: no month that it names has such a day`},
		{"schedule too often", job + "schedule = '@every 5s'", `5:12: job.asthma.schedule = "@every 5s": @every 5s is too often: the shortest is 1m0s`},
		{"schedule of a zone alone", job + "schedule = 'TZ=UTC'", `5:12: job.asthma.schedule = "TZ=UTC": names a time zone and then no schedule`},
		{"forms skipped and wanted", job + "skip_forms = ['a']\nonly_forms = ['b']", "6:1: job.asthma.only_forms: skip_forms and only_forms exclude each other, and skip_forms is at jobs.toml:5; write skip_forms = [] where it should not hold"},
		{"pull of a later day", job + "pull = ['records', 'recrods']", `5:1: job.asthma.pull: element "recrods" ` + pullable + `; did you mean records?`},
		{"pull of something twice", job + "pull = ['records', 'users', 'users']", `5:1: job.asthma.pull: names "users" twice`},
		{"reports without ids", job + "pull = ['records', 'reports']", `5:1: job.asthma.pull: names "reports", and no key says which; write for instance reports = [12]: the id is in a report's address in REDCap`},
		{"reports that are texts", job + "reports = ['12']", "5:1: job.asthma.reports: must be a list of whole numbers; one of its elements is a text in quotes"},
		{"report that is no list", job + "reports = 12", "5:11: job.asthma.reports = 12: must be a list of whole numbers such as [12, 14], not a whole number"},
		{"report twice", job + "reports = [12, 12]", "5:1: job.asthma.reports: names 12 twice"},
		{"report that is none", job + "reports = [0]", "5:1: job.asthma.reports: holds 0, which is no report's id: that is in the report's address in REDCap"},
		{"report beyond numbers", job + "reports = [99999999999]", "5:1: job.asthma.reports: has an element that is not a whole number that fits into 32 bits"},
		{"files of an unknown kind", job + "files = 'all'", `5:9: job.asthma.files = "all": must be names or contents`},
		{"files without records", job + "pull = ['dags']\nfiles = 'names'", `6:9: job.asthma.files = "names": asks for files where records are not pulled: the names of files stand in the records; add "records" to pull`},
		{"identifiers", job + "identifiers = 'drop'", `5:15: job.asthma.identifiers = "drop": must be load or skip`},
		{"stale before it began", job + "fresh_within = '-1h'", `5:16: job.asthma.fresh_within = "-1h": must be a duration above zero such as "90s", "5m", "26h" or "90d"`},
		{"secret in the file", job + "token = '" + canary + "'", "5:9: job.asthma.token: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"secret behind a scheme", job + "token = 'env:" + canary + "'", "5:9: job.asthma.token: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"misspelt scheme", job + "token = 'evn:ASTHMA_TOKEN'", "5:9: job.asthma.token: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"env: without a name", job + "token = 'env:'", "5:9: job.asthma.token: env: needs the name of an environment variable (letters, digits and _)"},
		{"cred: with a path", job + "token = 'cred:../a'", "5:9: job.asthma.token: cred: needs the name of a systemd credential, not a path"},
		{"cmd: from the path", job + "token = 'cmd:pass show x'", "5:9: job.asthma.token: cmd: needs the absolute path of a program"},
		{"cmd: for a shell", job + "token = 'cmd:/bin/cat a | tail'", "5:9: job.asthma.token: cmd: is split at its spaces and run without a shell: quotes, pipes and variables mean nothing there; name a script instead"},
		{"password in the database's URL", "postgres.url = 'postgres://syncd:hunter2@db/warehouse'", "1:16: postgres.url: holds a password: keep the URL elsewhere and refer to it with env:NAME or file:PATH"},
		{"password behind the database's URL", "postgres.url = 'postgres://db/warehouse?password=hunter2'", "1:16: postgres.url: holds a password: keep the URL elsewhere and refer to it with env:NAME or file:PATH"},
		{"secret as a schedule", job + "schedule = '" + canary + "'", "5:12: job.asthma.schedule: is not understood"},
		{"no time to wait", job + "retry_for = '0s'", `5:13: job.asthma.retry_for = "0s": must be a duration above zero such as "90s", "5m", "26h" or "90d"`},
		{"secret as a key", job + canary + " = 1", "5:1: job.asthma.[redacted]: unknown key; known here are catch_up, deleted_retention, files, fresh_within, full, identifiers, legal_hold, only_forms, overlap, pull, records_where, reports, reread, retry_for, schedule, schema, skip_fields, skip_forms, source, spread, token"},
		{"include of a file that is not there", pg + "include = ['more.toml']", `2:12: include = "more.toml": there is no such file`},
		{"include that is no pattern", pg + "include = ['[']", `2:12: include = "[": is not a pattern of file names`},
	}
}

func TestEveryMistakeIsRefusedAtItsPosition(t *testing.T) {
	for _, m := range slices.Concat(mistakesOfForm(), mistakesOfMeaning(), mistakesOfReceivers(), mistakesOfStrategies(), mistakesOfCampuses(), mistakesOfNotifiers()) {
		t.Run(m.name, func(t *testing.T) {
			write(t, map[string]string{"jobs.toml": m.text})
			got := strings.ReplaceAll(problems(t, "jobs.toml").Error(), "jobs.toml:", "")
			want := strings.ReplaceAll(m.want, "jobs.toml:", "")
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, secret := range []string{canary, "hunter2"} {
				if strings.Contains(got, secret) {
					t.Errorf("the text of the problems holds a secret")
				}
			}
		})
	}
}

func TestTenMistakesAreTenFindingsAtOnce(t *testing.T) {
	const golden = "testdata/ten.golden"
	got := problems(t, "testdata/ten.toml")
	if len(got) != 10 {
		t.Errorf("%d findings instead of 10", len(got))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.Error()+"\n"); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
