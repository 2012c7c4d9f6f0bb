package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract/engage"
)

// referencePath is the page that `make docs` writes.
const referencePath = "../../docs/jobs.md"

// section is a table of jobs.toml and the type whose fields are its keys.
type section struct {
	title, about string
	of           reflect.Type
}

func sections() []section {
	return []section{
		{"Top level", "Before the first table of the file.", reflect.TypeFor[Config]()},
		{"[postgres]", "The warehouse.", reflect.TypeFor[Postgres]()},
		{"[serve]", "The daemon.", reflect.TypeFor[Serve]()},
		{"[retention]", "How long is kept what people do not report from. Each night one daemon removes what is older.", reflect.TypeFor[Retention]()},
		{"[purge]", "What `syncd purge` needs, which erases one person for good.", reflect.TypeFor[Purge]()},
		{"[redcap.NAME]", "One REDCap server. Jobs refer to it as `redcap.NAME`.", reflect.TypeFor[Server]()},
		{
			"[redox.NAME]", "One destination of Redox: what is pushed to its path lands in its schema. `syncd redox setup NAME` makes path and token, and says what to type at Redox.",
			reflect.TypeFor[Receiver](),
		},
		{
			"[redox.NAME.auth]", "How Redox authenticates itself beside the verification token, or in its place: the auth credential that is linked to the destination. Which keys belong to " +
				"which strategy, and an example of each, stand in [redox-auth.md](redox-auth.md); a key of another strategy is refused.",
			reflect.TypeFor[Auth](),
		},
		{
			"[engage.NAME]", "One campus of Engage, by version 2 of its API. Jobs refer to it as `engage.NAME`. How keys, address and clock go together, and what `syncd check` " +
				"says where they do not: [operations.md](operations.md#engage).",
			reflect.TypeFor[Campus](),
		},
		{
			"[job.NAME]", "One project, or one campus, that is pulled into one schema. Each key may also stand in `[defaults]`, for all jobs, and each but `source` in " +
				"`[redcap.NAME.defaults]` or `[engage.NAME.defaults]`, for the jobs of one server. A job's own key goes before its server's, that before the general one.",
			reflect.TypeFor[Job](),
		},
		{"[job.NAME] of a REDCap project", "Further keys where `source` is `redcap.NAME`.", reflect.TypeFor[Project]()},
		{"[job.NAME] of an Engage campus", "Further keys where `source` is `engage.NAME`.", reflect.TypeFor[engage.Options]()},
		{
			"[notify.NAME]", "Whom to tell when something is wrong, and how. What is told, and when, stands in [operations.md](operations.md#being-told); `syncd notify test NAME` sends a message.",
			reflect.TypeFor[Notifier](),
		},
		{
			"[job.NAME.resource.WORD]", "A list that a campus has beyond the known ones; its table is WORD. Types come from here alone, never from the data; what `columns` does not name " +
				"stands in `_extra`.",
			reflect.TypeFor[engage.Generic](),
		},
	}
}

const referenceHead = `# jobs.toml, key by key

Made from the program's own types by ` + "`make docs`" + `; a test fails where the two differ. ` + "[jobs.toml](../jobs.toml)" + ` is an example to begin with.

The file is TOML and read strictly. An unknown or doubled key, a wrong type or a contradiction is an error, and so is every other mistake: all are listed at once, each
with file, line and column, and nothing starts (exit code 2). ` + "`syncd config JOB`" + ` prints what holds for a job and where each value was set; ` + "`syncd check`" + ` looks at what
the file refers to. A secret or file that is missing is a fault of the jobs and receivers that need it; the others run.

**Names** of servers, receivers, jobs and schemas are 1 to 40 lower-case letters, digits and underscores and begin with a letter. They are not ` + "`syncd`, `public`, `information_schema` or `pg_...`" + `
and do not end in ` + "`_labels`, `_deid`, `_meta`, `_deleted`, `_history` or `_test`" + `.

**Paths** that are not absolute are found from the folder of the file that names them.

**Secrets** stay outside the file and are read again at each use. A reference is one of

| form | what is read |
|---|---|
| ` + "`env:NAME`" + ` | the environment variable |
| ` + "`file:PATH`" + ` | a regular file that other users of the machine cannot get at (below ` + "`/run/secrets`" + ` the modes are the container's affair); one line ending at its end is taken off |
| ` + "`cred:NAME`" + ` | a systemd credential (` + "`LoadCredential=`" + `), likewise |
| ` + "`cmd:/PATH ARGUMENTS`" + ` | what a program prints within 10 s; split at spaces and run without a shell, so quotes mean nothing |

Where a key takes an id or a secret, an id may stand in the file itself. A value is one line of at most 64 KiB without spaces around it. A secret written into jobs.toml itself is refused, and not repeated in the error.

**Durations** are written as ` + "`90s`, `5m`, `26h` or `90d`" + `, **bytes** as a whole number or as ` + "`512KiB`, `64MiB`" + `.

**Schedules** are five cron fields (minute, hour, day of month, month, day of week, Sunday being 0), ` + "`@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`" + `,
or ` + "`@every 30m`" + `, which counts from the beginning of 1970 in UTC and may not be shorter than a minute. Where both days are restricted, either of them will do.
` + "`CRON_TZ=Zone `" + ` in front names the zone. A time that the clock jumps over in spring is due right after the jump; an hour that it repeats in autumn counts once.
`

func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | default | meaning |\n|---|---|---|---|\n", s.title, s.about)
		for _, k := range keysOf(s.of) {
			if k.nested() || k.named() {
				continue
			}
			if !strings.HasSuffix(strings.TrimSuffix(k.doc, "'"), ".") {
				t.Errorf("%s %s has no sentence that says what it means: %q", s.title, k.name, k.doc)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.name, typeName(k), defaultName(t, s, k), strings.ReplaceAll(k.doc, "|", `\|`))
		}
	}
	if *update {
		if err := os.WriteFile(referencePath, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("docs/jobs.md is stale, type: make docs (-types +page):\n%s", diff)
	}
}

func TestEverySectionOfTheFileIsInTheReference(t *testing.T) {
	known := map[reflect.Type]bool{}
	for _, s := range sections() {
		known[s.of] = true
	}
	for _, s := range sections() {
		for _, k := range keysOf(s.of) {
			if k.nested() && !known[k.typ] || k.named() && !known[k.typ.Elem()] {
				t.Errorf("table %s of %s has no section", k.name, s.title)
			}
		}
	}
}

func typeName(k key) string {
	switch {
	case k.typ == secretType && k.plain:
		return "text or secret"
	case k.typ == secretType:
		return "secret"
	case k.typ == secretsType && k.single:
		return "secret, or list of secrets"
	case k.typ == secretsType:
		return "list of secrets"
	case k.size:
		return "bytes"
	case k.single:
		return "text, or list of texts"
	case k.typ == reflect.TypeFor[time.Duration]():
		return "duration"
	case k.path:
		return "path"
	case len(k.oneof) > 0 && k.typ.Kind() == reflect.Slice:
		return "list of `" + strings.Join(k.oneof, "`, `") + "`"
	case len(k.oneof) > 0:
		return "`" + strings.Join(k.oneof, "` or `") + "`"
	case k.typ == textsType:
		return "table of texts"
	case k.typ == numbersType:
		return "list of whole numbers"
	case k.typ.Kind() == reflect.Slice:
		return "list of texts"
	case k.typ.Kind() == reflect.Int:
		return "whole number"
	case k.typ.Kind() == reflect.Bool:
		return "`true` or `false`"
	}
	return "text"
}

func defaultName(t *testing.T, s section, k key) string {
	if k.hasDef {
		return "`" + k.def + "`"
	}
	if k.otherwise == "" {
		t.Errorf("%s %s does not say what holds where it is left out", s.title, k.name)
	}
	return k.otherwise
}
