package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract/engage"
)

// The beginnings that the mistakes of campuses are made in.
const (
	campus     = pg + "[engage.campus]\nurl = 'https://example-u.campuslabs.com/engage/api/'\npublic_key = 'env:PUB'\nprivate_key = 'env:PRI'\n" // 5 lines
	campusKeys = "\npublic_key = 'env:PUB'\nprivate_key = 'env:PRI'"
	pulled     = campus + "[job.u]\nsource = 'engage.campus'\n" // 7 lines
	unsigned   = pg + "[engage.campus]\nurl = 'https://example-u.campuslabs.com/engage/api/'\n"
)

func mistakesOfCampuses() []mistake {
	return []mistake{
		{"campus without URL", pg + "[engage.campus]" + campusKeys, "2:9: engage.campus.url: is missing: the base URL of the campus's API, such as https://example-u.campuslabs.com/engage/api/"},
		{"campus in the clear", pg + "[engage.campus]\nurl = 'http://example-u.campuslabs.com/engage/api/'" + campusKeys, `3:7: engage.campus.url = "http://example-u.campuslabs.com/engage/api/": must begin with https://: keys and people's data never travel in the clear, except on this machine itself`},
		{"campus that is no URL", pg + "[engage.campus]\nurl = 'example-u'" + campusKeys, `3:7: engage.campus.url = "example-u": is not a URL with a host, such as https://example-u.campuslabs.com/engage/api/`},
		{"campus with a signed URL", pg + "[engage.campus]\nurl = 'https://example-u.campuslabs.com/engage/api/?hash=1'" + campusKeys, "3:7: engage.campus.url: must end with its path: no ? and no #"},
		{"signed without keys", unsigned, "2:9: engage.campus.public_key: is needed with auth = \"signed\"\n2:9: engage.campus.private_key: is needed with auth = \"signed\""},
		{"header without a key", unsigned + "auth = 'header'", `2:9: engage.campus.api_key: is needed with auth = "header"`},
		{"both ways in", campus + "api_key = 'env:A'", `6:1: engage.campus.api_key: is for auth = "header", and this is "signed"`},
		{"header with an address", unsigned + "auth = 'header'\napi_key = 'env:A'\nip = '203.0.113.7'", `6:6: engage.campus.ip = "203.0.113.7": is for auth = "signed", and this is "header"`},
		{"unknown way in", campus + "auth = 'singed'", `6:8: engage.campus.auth = "singed": must be signed or header; did you mean signed?`},
		{"unknown algorithm", campus + "hash = 'sha1'", `6:8: engage.campus.hash = "sha1": must be md5 or sha256 or sha384 or sha512`},
		{"address of six", campus + "ip = '2001:db8::1'", `6:6: engage.campus.ip = "2001:db8::1": is not an IPv4 address such as 203.0.113.7, and not auto:https://...`},
		{"address of a page in the clear", campus + "ip = 'auto:http://etl.example.edu/ip'", `6:6: engage.campus.ip = "auto:http://etl.example.edu/ip": the page behind auto: must begin with https://, except for this machine itself`},
		{"address of no page", campus + "ip = 'auto:'", `6:6: engage.campus.ip = "auto:": names no page after auto:`},
		{"key in the file", unsigned + "public_key = 'env:PUB'\nprivate_key = '" + canary + "'", "5:15: engage.campus.private_key: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"no limit on a real campus", campus + "requests_per_second = 0", "6:23: engage.campus.requests_per_second = 0: 0 lifts the limit, which is accepted for a server on this machine only"},
		{"limit beyond reason", campus + "requests_per_second = 1001", "6:23: engage.campus.requests_per_second = 1001: must be from 1 to 1000, or 0 for no limit"},
		{"limit of the other kind", campus + "requests_per_minute = 60", "6:1: engage.campus.requests_per_minute: unknown key; known here are api_key, auth, ca_file, ca_only, client_cert, client_key, contact, defaults, hash, ip, private_key, proxy, public_key, requests_per_second, timeout, url"},
		{"campuses of another shape", pg + "[engage]\nx = 1", "3:1: engage.x: must be a table, [engage.NAME], not a whole number"},
		{"campus that is not there", campus + "[job.u]\nsource = 'engage.kampus'", `7:10: job.u.source = "engage.kampus": there is no such source; did you mean engage.campus?`},
		{"key of a project at a campus", pulled + "records_where = \"[a] = '1'\"", "8:1: job.u.records_where: is a key of jobs whose source is redcap.NAME"},
		{"token at a campus", pulled + "token = 'env:A'", "8:1: job.u.token: is a key of jobs whose source is redcap.NAME"},
		{"key of a campus at a project", job + "resources = ['users']", "5:1: job.asthma.resources: is a key of jobs whose source is engage.NAME"},
		{"key of a project in a campus's defaults", campus + "[engage.campus.defaults]\npull = ['records']", "7:1: engage.campus.defaults.pull: is a key of jobs whose source is redcap.NAME"},
		{"key of nowhere at a campus's job", pulled + "resorces = ['users']", "8:1: job.u.resorces: unknown key; did you mean resources?"},
		{"nothing to pull", pulled + "resources = []", "8:1: job.u.resources: is empty, and there is no [job.u.resource.WORD]: nothing would be pulled"},
		{"bad name of a resource", pulled + "[job.u.resource.Experiences]\npath = 'experiences'\nkey = 'experienceId'", "8:17: job.u.resource.Experiences: a name is 1 to 40 lower-case letters, digits and underscores and begins with a letter"},
		{"resource of another shape", pulled + "resource = 'experiences'", `8:12: job.u.resource = "experiences": must be a table, not a text in quotes`},
		{"unknown key of a resource", pulled + "[job.u.resource.experiences]\npath = 'experiences'\nkey = 'experienceId'\nparam = {}", "11:1: job.u.resource.experiences.param: unknown key; did you mean params?"},
		{"list for a parameter", pulled + "[job.u.resource.experiences]\npath = 'experiences'\nkey = 'experienceId'\nparams = {status = ['a']}", `11:10: job.u.resource.experiences.params: "status" must be a text, not a list`},
		{"text for parameters", pulled + "[job.u.resource.experiences]\npath = 'experiences'\nkey = 'experienceId'\nparams = 'status'", `11:10: job.u.resource.experiences.params = "status": must be a table of texts such as {a = "b"}, not a text in quotes`},
		{"resource without a key", pulled + "[job.u.resource.experiences]\npath = 'experiences'", "8:17: job.u.resource.experiences.key: is missing: the field that tells the items apart, such as experienceId"},
		{"resource of another host", pulled + "[job.u.resource.experiences]\npath = '//example.org/x'\nkey = 'experienceId'", `9:8: job.u.resource.experiences.path = "//example.org/x": must be the path of a list below the campus's URL, such as experiences`},
		{"resource that syncd knows", pulled + "[job.u.resource.users]\npath = 'users'\nkey = 'userId'", "8:17: job.u.resource.users: has the name of a table that syncd makes itself; give it another"},
		{"column of no type", pulled + "[job.u.resource.experiences]\npath = 'experiences'\nkey = 'experienceId'\ncolumns = {hours = 'float'}", `11:11: job.u.resource.experiences.columns: gives "hours" the type "float"; known are text, bigint, numeric, boolean, timestamptz, date`},
		{"too little read again", pulled + "reread = '10s'", `8:10: job.u.reread = "10s": must be at least 1m: clocks and long transactions are covered by it`},
		{"two campuses, one schema", pulled + "[job.v]\nsource = 'engage.campus'\nschema = 'u'", `10:10: job.v.schema = "u": is the schema of job u already (jobs.toml:6)`},
	}
}

func TestCampusesAreReadWithDefaultsAndReferences(t *testing.T) {
	write(t, map[string]string{"jobs.toml": pg + `
[defaults]
pull = ["records"]
resources = ["users"]
reread = "3h"
[redcap.main]
url = "https://redcap.example.edu/api/"
tokens = "dir:tokens"
[job.asthma]
source = "redcap.main"
[engage.campus]
url = "https://example-u.campuslabs.com/engage/api"
public_key = "env:PUB"
private_key = "file:private"
ip = "auto:https://etl.example.edu/ip"
ca_file = "ca.pem"
[engage.campus.defaults]
schedule = "0 4 * * *"
sensitive = ["date_of_birth"]
[engage.old]
url = "http://127.0.0.1:9/api/"
auth = "header"
api_key = "env:KEY"
requests_per_second = 0
[job.u]
source = "engage.campus"
resources = ["organizations", "memberships"]
[job.u.resource.experiences]
path = "experiences"
key = "experienceId"
params = { status = "Approved", level = 7, open = true }
columns = { hoursLogged = "numeric" }
[job.v]
source = "engage.old"
`})
	c := load(t, "jobs.toml")
	u, v, a := c.Jobs["u"], c.Jobs["v"], c.Jobs["asthma"]
	here := folder(t)
	got := map[string]any{
		"url": u.Campus.URL, "auth": u.Campus.Auth, "public": u.Campus.PublicKey.Ref(), "private": u.Campus.PrivateKey.Ref(), "ip": u.Campus.IP,
		"rate": u.Campus.RequestsPerSecond, "ca": u.Campus.CAFile, "schedule": u.Slots.String(), "resources": u.Engage.Resources, "sensitive": u.Engage.Sensitive,
		"reread": u.Engage.Reread, "generic": u.Engage.Resource, "full": u.Fulls != nil, "timeout": u.Campus.Timeout,
		"v auth": v.Campus.Auth, "v key": v.Campus.APIKey.Ref(), "v rate": v.Campus.RequestsPerSecond, "v resources": v.Engage.Resources,
		"project": a.Project.Pull, "project reread": a.Project.Reread, "sources": c.Sources(),
	}
	want := map[string]any{
		"url": "https://example-u.campuslabs.com/engage/api/", "auth": "signed", "public": "env:PUB", "private": "file:" + here + "/private", "ip": "auto:https://etl.example.edu/ip",
		"rate": 2, "ca": here + "/ca.pem", "schedule": "CRON_TZ=UTC 0 4 * * *", "resources": []string{"organizations", "memberships"}, "sensitive": []string{"date_of_birth"},
		"reread": 3 * time.Hour, "full": true, "timeout": 5 * time.Minute,
		"generic": map[string]engage.Generic{"experiences": {
			Path: "experiences", Key: "experienceId", KeyType: "bigint",
			Params: map[string]string{"status": "Approved", "level": "7", "open": "true"}, Columns: map[string]string{"hoursLogged": "numeric"},
		}},
		"v auth": "header", "v key": "env:KEY", "v rate": 0, "v resources": []string{"users"},
		"project": []string{"records"}, "project reread": 3 * time.Hour, "sources": []string{"engage.campus", "engage.old", "redcap.main"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("campuses (-want +got):\n%s", diff)
	}
	all, err := c.Effective("u")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Setting{
		{"engage.campus.private_key", "file:" + here + "/private [redacted]", "jobs.toml:15"},
		{"engage.campus.hash", "", "default"},
		{"schedule", "0 4 * * *", "jobs.toml:19"},
		{"resources", "organizations, memberships", "jobs.toml:28"},
		{"resource.experiences.params", "level = 7, open = true, status = Approved", "jobs.toml:32"},
		{"resource.experiences.key_type", "bigint", "default"},
	} {
		if !contains(all, want) {
			t.Errorf("no setting %+v in %+v", want, all)
		}
	}
	for _, s := range all {
		if s.Key == "pull" || s.Key == "token" || strings.HasPrefix(s.Key, "redcap.") {
			t.Errorf("%s is told of a campus", s.Key)
		}
	}
}

func TestWhatACampusLacksIsTheFaultOfItsJobs(t *testing.T) {
	write(t, map[string]string{"jobs.toml": campus + "client_cert = 'c.pem'\nclient_key = 'k.pem'\n[job.u]\nsource = 'engage.campus'\n", "c.pem": "x"})
	t.Setenv("PUB", "example-07")
	t.Setenv("PRI", "")
	c := load(t, "jobs.toml")
	var got []string
	for _, f := range c.Faults(t.Context()) {
		got = append(got, f.Error())
	}
	want := []string{
		"job u is misconfigured (jobs.toml:5, engage.campus.private_key): read secret env:PRI: the environment variable is not set, or empty",
		"job u is misconfigured (jobs.toml:7, engage.campus.client_key): read file " + folder(t) + "/k.pem: no such file or directory",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if key, err := c.Jobs["u"].ReadSecret(t.Context(), "public_key"); err != nil || key != "example-07" {
		t.Errorf("public key %q: %v", key, err)
	}
}
