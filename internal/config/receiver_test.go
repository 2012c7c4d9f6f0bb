package config

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The beginnings that the mistakes of receivers are made in.
const (
	receiver  = pg + "[redox.ward]\npath = '/redox/ward-7f3c'\nverification_tokens = ['env:WARD']\n" // 4 lines
	strategic = receiver + "[redox.ward.auth]\nstrategy = "                                          // the 6th
)

func mistakesOfReceivers() []mistake {
	const tokenless = "2:8: redox.ward.verification_tokens: is missing: without it, and without [redox.ward.auth], anybody could push; syncd redox setup ward makes a token"
	return []mistake{
		{"receiver without path", pg + "[redox.ward]\nverification_tokens = ['env:WARD']", "2:8: redox.ward.path: is missing: the path of the URL that Redox pushes to; syncd redox setup ward makes one that nobody guesses"},
		{"neither tokens nor auth", pg + "[redox.ward]\npath = '/a'", tokenless},
		{"a list of no tokens", pg + "[redox.ward]\npath = '/a'\nverification_tokens = []", tokenless},
		{"token in the file", pg + "[redox.ward]\npath = '/a'\nverification_tokens = ['" + canary + "']", "4:1: redox.ward.verification_tokens: element 1 must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"token twice", pg + "[redox.ward]\npath = '/a'\nverification_tokens = ['env:A', 'env:A']", "4:1: redox.ward.verification_tokens: refers to the same secret twice"},
		{"tokens of another type", pg + "[redox.ward]\npath = '/a'\nverification_tokens = 12", "4:23: redox.ward.verification_tokens: must be a list of references to secrets such as [\"env:REDOX_TOKEN\"], not a whole number"},
		{"path without a slash", pg + "[redox.ward]\npath = 'a'\nverification_tokens = 'env:A'", `3:8: redox.ward.path = "a": must begin with /, such as /redox/ward-7f3c`},
		{"path with a query", pg + "[redox.ward]\npath = '/a?b=c'\nverification_tokens = 'env:A'", `3:8: redox.ward.path = "/a?b=c": must be made of letters, digits and . _ ~ - between single slashes, without one at its end`},
		{"path that climbs", pg + "[redox.ward]\npath = '/a/../b'\nverification_tokens = 'env:A'", `3:8: redox.ward.path = "/a/../b": must be made of letters, digits and . _ ~ - between single slashes, without one at its end`},
		{"path of another", receiver + "[redox.clinic]\npath = '/redox/ward-7f3c'\nverification_tokens = 'env:A'", `6:8: redox.clinic.path = "/redox/ward-7f3c": is taken by receiver ward already (jobs.toml:2)`},
		{"path of another's token endpoint", receiver + "[redox.clinic]\npath = '/redox/ward-7f3c/oauth/token'\nverification_tokens = 'env:A'", `6:8: redox.clinic.path = "/redox/ward-7f3c/oauth/token": is taken by receiver ward already (jobs.toml:2)`},
		{"name of a job", job + "[redox.asthma]\npath = '/a'\nverification_tokens = 'env:A'", "5:8: redox.asthma: is the name of job asthma already (jobs.toml:3)"},
		{"schema of a job", job + "[redox.ward]\nschema = 'asthma'\npath = '/a'\nverification_tokens = 'env:A'", `6:10: redox.ward.schema = "asthma": is the schema of job asthma already (jobs.toml:3)`},
		{"job with the schema of a receiver", receiver + "[redcap.main]\nurl = 'https://r.example.edu/api/'\n[job.x]\nsource = 'redcap.main'\ntoken = 'env:X'\nschema = 'ward'", `10:10: job.x.schema = "ward": is the schema of receiver ward already (jobs.toml:2)`},
		{"name of test traffic", pg + "[redox.ward_test]\npath = '/a'\nverification_tokens = 'env:A'", "2:8: redox.ward_test: a name does not end in _test, which marks the side schemas that syncd makes"},
		{"schema of test traffic", receiver + "schema = 'ward_test'", `5:10: redox.ward.schema = "ward_test": a name does not end in _test, which marks the side schemas that syncd makes`},
		{"unknown answer to queries", receiver + "on_query = '500'", `5:12: redox.ward.on_query = "500": must be 501 or empty; did you mean 501?`},
		{"body of no size", receiver + "max_body = '64 megs'", `5:12: redox.ward.max_body = "64 megs": must be a whole number of bytes, or a text such as "64MiB"`},
		{"body that Postgres cannot hold", receiver + "max_body = '1GiB'", `5:12: redox.ward.max_body = "1GiB": must be from 1KiB to 512MiB; Redox sends up to 40 MB, and what is larger is refused for ever`},
		{"retention of nothing", receiver + "retention = '0d'", `5:13: redox.ward.retention = "0d": must be a time such as "180d" or "3y", not less than an hour, or "forever"`},
		{"credential without a strategy", receiver + "handshake_requires_credential = true", "5:33: redox.ward.handshake_requires_credential = true: needs [redox.ward.auth]: without it there is no credential"},
		{"key of nowhere at a receiver", receiver + "tokens = ['env:A']", "5:1: redox.ward.tokens: unknown key; known here are auth, ca_file, ca_only, client_cert, client_key, contact, deleted_retention, handshake_requires_credential, legal_hold, max_body, on_query, path, patient_id_types, proxy, retention, schema, silent_after, timeout, verification_tokens"},
		{"proxy for nobody", receiver + "proxy = 'http://proxy:3128'", "5:1: redox.ward.proxy: is for asking jwks_url, tokeninfo_url or introspection_url, and this receiver asks none"},
		{"receivers of another shape", receiver + "[redox]\nx = 1", "6:1: redox.x: must be a table, [redox.NAME], not a whole number"},
	}
}

func mistakesOfStrategies() []mistake {
	return []mistake{
		{"no strategy", receiver + "[redox.ward.auth]\nregion = 'us-east-1'", "5:13: redox.ward.auth.strategy: is not set; known are aws-sigv4, google-wif, oauth2, oauth2-jwt-bearer-gcp, smart-backend, jwt-bearer"},
		{"unknown strategy", strategic + "'oauth'", `6:12: redox.ward.auth.strategy = "oauth": must be aws-sigv4 or google-wif or oauth2 or oauth2-jwt-bearer-gcp or smart-backend or jwt-bearer; did you mean oauth2?`},
		{"signatures without keys", strategic + "'aws-sigv4'\nregion = 'us-east-1'\nservice = 'syncd'", "5:13: redox.ward.auth.access_key: is needed by strategy aws-sigv4\n5:13: redox.ward.auth.secret_key: is needed by strategy aws-sigv4"},
		{
			"key of another strategy", strategic + "'aws-sigv4'\naccess_key = 'K'\nsecret_key = 'env:S'\nregion = 'r'\nservice = 's'\nissuer = 'x'",
			"11:1: redox.ward.auth.issuer: does not go with the other keys of strategy aws-sigv4; these do: access_key, access_key_old, region, secret_key, secret_key_old, service, session_token",
		},
		{"secret key in the file", strategic + "'aws-sigv4'\naccess_key = 'K'\nsecret_key = '" + canary + "'\nregion = 'r'\nservice = 's'", "8:14: redox.ward.auth.secret_key: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"window of a day", strategic + "'aws-sigv4'\naccess_key = 'K'\nsecret_key = 'env:S'\nregion = 'r'\nservice = 's'\nclock_window = '24h'", `11:16: redox.ward.auth.clock_window = "24h": must be between 0 and 15m0s`},
		{"Google for anybody", strategic + "'google-wif'", "5:13: redox.ward.auth.audience: is needed by strategy google-wif"},
		{"ID tokens of anybody", strategic + "'google-wif'\njwks_url = 'https://www.googleapis.com/oauth2/v3/certs'\naudience = 'a'", "5:13: redox.ward.auth.email: or subject is needed by strategy google-wif"},
		{"half a client", strategic + "'oauth2'\nclient_id = 'redox'", "5:13: redox.ward.auth.client_secret: is needed by strategy oauth2"},
		{"issuer of any audience", strategic + "'oauth2'\njwks_url = 'https://idp.example.edu/jwks'\nissuer = 'https://idp.example.edu'", "5:13: redox.ward.auth.audience: is needed by strategy oauth2"},
		{"two sets of keys", strategic + "'smart-backend'\nclient_id = 'c'\naudience = 'a'\njwks_url = 'https://idp.example.edu/jwks'\njwks_file = 'keys.json'", "10:1: redox.ward.auth.jwks_file: stands beside jwks_url; keys come from one place"},
		{"assertions for whom", strategic + "'smart-backend'\nclient_id = 'c'\njwks_file = 'keys.json'", "5:13: redox.ward.auth.audience: is needed where [serve] public_url does not say by which address Redox reaches us"},
		{"keys in the clear", strategic + "'smart-backend'\nclient_id = 'c'\naudience = 'a'\njwks_url = 'http://idp.example.edu/jwks'", `9:12: redox.ward.auth.jwks_url = "http://idp.example.edu/jwks": must begin with https://, except on this machine itself: whoever can change the answer can push`},
		{"shared secret for public keys", strategic + "'jwt-bearer'\nissuer = 'i'\naudience = 'a'\njwks_file = 'keys.json'\nalgorithms = ['HS256']", "10:1: redox.ward.auth.algorithms: mixes HS*, which is for secret alone, with public keys"},
		{"public keys for a shared secret", strategic + "'jwt-bearer'\nissuer = 'i'\naudience = 'a'\nsecret = 'env:S'\nalgorithms = ['RS256']", "10:1: redox.ward.auth.algorithms: mixes HS*, which is for secret alone, with public keys"},
		{"algorithm that is none", strategic + "'jwt-bearer'\nissuer = 'i'\naudience = 'a'\nsecret = 'env:S'\nalgorithms = ['none']", `10:1: redox.ward.auth.algorithms: element "none" must be RS256 or RS384 or RS512 or PS256 or PS384 or PS512 or ES256 or ES384 or ES512 or EdDSA or HS256 or HS384 or HS512`},
		{"JWT without any key", strategic + "'jwt-bearer'\nissuer = 'i'\naudience = 'a'", "5:13: redox.ward.auth.jwks_url: or jwks_file is needed by strategy jwt-bearer"},
		{"issuer with a blank", strategic + "'jwt-bearer'\nissuer = 'i '\naudience = 'a'\nsecret = 'env:S'", `7:10: redox.ward.auth.issuer = "i ": begins or ends with a blank: it is compared exactly`},
		{"id with a line break", strategic + "'oauth2'\nclient_id = \"a\\nb\"\nclient_secret = 'env:S'", "7:13: redox.ward.auth.client_id: must be an id or a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS: it has more than one line, or a control character"},
		{"certificate without key", pg + "serve.cert_file = 'c.pem'", `2:19: serve.cert_file = "c.pem": needs key_file, the key of that certificate`},
		{"one address for two", pg + "serve.listen = '127.0.0.1:9'\nserve.admin = '127.0.0.1:9'", `2:16: serve.listen = "127.0.0.1:9": is the address of admin as well: what is for this machine is not served to the world`},
		{"proxy that is a name", pg + "serve.trusted_proxies = ['proxy.example.edu']", `2:7: serve.trusted_proxies: element "proxy.example.edu" is neither an address nor a network such as 10.0.0.0/8`},
		{"public URL in the clear", pg + "serve.public_url = 'http://etl.example.edu'", `2:20: serve.public_url = "http://etl.example.edu": must begin with https://, except for this machine itself`},
	}
}

func TestReceiversAreReadWithDefaultsAndReferences(t *testing.T) {
	write(t, map[string]string{"jobs.toml": pg + `
[serve]
public_url = "https://etl.example.edu/"
trusted_proxies = ["10.1.2.3/8", "::ffff:192.0.2.1"]
cert_file = "tls/chain.pem"
key_file = "tls/key.pem"
[redox.hospital]
path = "/redox/hospital-7f3c"
verification_tokens = ["env:REDOX_TOKEN", "file:old"]
patient_id_types = ["MR", "EHR"]
retention = "400d"
ca_file = "ca.pem"
[redox.hospital.auth]
strategy = "smart-backend"
client_id = "0f1e2d3c-redox"
jwks_url = "https://redox.example.com/jwks"
[redox.clinic]
path = "/redox/clinic-1"
schema = "clinics"
max_body = 1_000_000
verification_tokens = "env:CLINIC"
`})
	c := load(t, "jobs.toml")
	h, k := c.Receivers["hospital"], c.Receivers["clinic"]
	here := folder(t)
	got := map[string]any{
		"names": c.ReceiverNames(), "schema": h.Schema, "path": h.Path, "body": h.MaxBody, "query": h.OnQuery, "retention": c.KeptBy("hospital").Payloads,
		"tokens": []string{h.Tokens[0].Ref(), h.Tokens[1].Ref()}, "types": h.PatientIDTypes, "strategy": h.Auth.Strategy,
		"client": h.Auth.ClientID.Ref(), "ca": h.CAFile, "timeout": h.Timeout, "public": c.Serve.PublicURL, "listen": c.Serve.Listen,
		"cert": c.Serve.CertFile, "proxies": c.Serve.Proxies, "credentialed": []bool{h.Credentialed(), k.Credentialed()},
		"k schema": k.Schema, "k body": k.MaxBody, "k token": k.Tokens[0].Ref(),
	}
	want := map[string]any{
		"names": []string{"clinic", "hospital"}, "schema": "hospital", "path": "/redox/hospital-7f3c", "body": 64 << 20, "query": "501", "retention": 400 * 24 * time.Hour,
		"tokens": []string{"env:REDOX_TOKEN", "file:" + here + "/old"}, "types": []string{"MR", "EHR"}, "strategy": "smart-backend",
		"client": "0f1e2d3c-redox", "ca": here + "/ca.pem", "timeout": 5 * time.Second, "public": "https://etl.example.edu", "listen": "127.0.0.1:8080",
		"cert": here + "/tls/chain.pem", "proxies": []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		"credentialed": []bool{true, false}, "k schema": "clinics", "k body": 1_000_000, "k token": "env:CLINIC",
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("receivers (-want +got):\n%s", diff)
	}
	all, err := c.Effective("hospital")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Setting{
		{"verification_tokens", "env:REDOX_TOKEN [redacted], file:" + here + "/old [redacted]", "jobs.toml:10"},
		{"auth.client_id", "0f1e2d3c-redox", "jobs.toml:16"},
		{"auth.clock_window", "5m", "default"},
		{"serve.public_url", "https://etl.example.edu", "jobs.toml:4"},
	} {
		if !contains(all, want) {
			t.Errorf("no setting %+v in %+v", want, all)
		}
	}
}

func contains(all []Setting, want Setting) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

func TestEveryStrategyIsConfiguredWithItsOwnKeys(t *testing.T) {
	for name, keys := range map[string]string{
		"aws-sigv4":                      "access_key = 'K'\nsecret_key = 'env:S'\nregion = 'us-east-1'\nservice = 'syncd'\nsession_token = 'env:T'\nsecret_key_old = 'env:O'\nclock_window = '10m'",
		"google-wif":                     "audience = '1234567890'\nscope = 'https://www.googleapis.com/auth/cloud-platform'",
		"google-wif id":                  "jwks_url = 'https://www.googleapis.com/oauth2/v3/certs'\nissuer = 'https://accounts.google.com'\naudience = ['a', 'b']\nemail = 'redox@example.iam.gserviceaccount.com'",
		"oauth2":                         "client_id = 'env:ID'\nclient_secret = 'env:S'\nclient_secret_old = 'env:O'\nscope = 'push'",
		"oauth2 keys":                    "jwks_url = 'https://idp.example.edu/jwks'\nissuer = 'https://idp.example.edu'\naudience = 'syncd'",
		"oauth2 introspection":           "introspection_url = 'http://127.0.0.1:9/introspect'\nclient_id = 'syncd'\nclient_secret = 'env:S'",
		"oauth2-jwt-bearer-gcp":          "audience = '1234567890'",
		"oauth2-jwt-bearer-gcp endpoint": "jwks_file = 'keys.json'\nissuer = 'redox@example.iam.gserviceaccount.com'\nsubject = 'x'",
		"oauth2-jwt-bearer-gcp id":       "jwks_url = 'https://www.googleapis.com/oauth2/v3/certs'\naudience = 'a'\nemail = 'redox@example.iam.gserviceaccount.com'",
		"smart-backend":                  "client_id = 'c'\njwks_file = 'keys.json'\nscope = 'system/*.write'",
		"jwt-bearer":                     "jwks_url = 'https://redox.example.com/jwks'\nissuer = 'i'\naudience = 'a'\nalgorithms = ['RS256', 'ES256']",
		"jwt-bearer secret":              "secret = 'env:S'\nsecret_old = 'env:O'\nissuer = 'i'\naudience = 'a'\nalgorithms = ['HS256']",
		"jwt-bearer grant":               "grant = true\njwks_file = 'keys.json'\nissuer = 'i'",
	} {
		t.Run(name, func(t *testing.T) {
			strategy := name
			for i, r := range name {
				if r == ' ' {
					strategy = name[:i]
				}
			}
			write(t, map[string]string{"jobs.toml": pg + "serve.public_url = 'https://etl.example.edu'\n[redox.ward]\npath = '/a'\n[redox.ward.auth]\nstrategy = '" + strategy + "'\n" + keys})
			if c := load(t, "jobs.toml"); c.Receivers["ward"].Auth.Strategy != strategy {
				t.Errorf("strategy %q", c.Receivers["ward"].Auth.Strategy)
			}
		})
	}
}

func TestWhatAReceiverLacksIsItsOwnFault(t *testing.T) {
	write(t, map[string]string{
		"jobs.toml": pg + `
[redox.ward]
path = "/a"
verification_tokens = ["env:SYNCD_TEST_WARD", "file:gone"]
[redox.ward.auth]
strategy = "smart-backend"
client_id = "c"
audience = "a"
jwks_file = "keys.json"
[redox.clinic]
path = "/b"
verification_tokens = "file:token"
`,
		"token": "x",
	})
	t.Setenv("SYNCD_TEST_WARD", "")
	if err := os.Unsetenv("SYNCD_TEST_WARD"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range load(t, "jobs.toml").Faults(t.Context()) {
		got = append(got, f.Error())
	}
	here := folder(t)
	want := []string{
		"receiver ward is misconfigured (jobs.toml:5, redox.ward.verification_tokens): read secret env:SYNCD_TEST_WARD: the environment variable is not set, or empty",
		"receiver ward is misconfigured (jobs.toml:5, redox.ward.verification_tokens): read secret file:" + here + "/gone: no such file or directory",
		"receiver ward is misconfigured (jobs.toml:10, redox.ward.auth.jwks_file): read file " + here + "/keys.json: no such file or directory",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// Whoever takes the comments off an example gets what it says: each strategy's is a part of a file that loads.
func TestEveryExampleOfAStrategyLoads(t *testing.T) {
	text, err := os.ReadFile("../../jobs.toml")
	if err != nil {
		t.Fatal(err)
	}
	commented := func(from, to string) string {
		_, rest, ok := strings.Cut(string(text), from)
		if !ok {
			t.Fatalf("jobs.toml has no %q", from)
		}
		part, _, _ := strings.Cut(from+rest, to)
		return strings.ReplaceAll(strings.TrimPrefix(part, "# "), "\n# ", "\n")
	}
	hospital := commented("# [redox.hospital]", "\n\n")
	examples := strings.Split(commented("# [redox.hospital.auth]", "\x00"), "\n#\n")
	seen := map[string]bool{}
	for _, example := range examples {
		write(t, map[string]string{"jobs.toml": pg + "serve.public_url = 'https://etl.example.edu'\n" + hospital + "\n" + example})
		seen[load(t, "jobs.toml").Receivers["hospital"].Auth.Strategy] = true
	}
	if len(seen) != 6 || len(examples) < 8 {
		t.Errorf("%d examples of the strategies %v", len(examples), seen)
	}
}
