package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/extract/redox"
	"syncd/internal/config"
	fake "syncd/internal/fake/redox"
	"syncd/internal/pgtest"
	"syncd/load"
)

// rehearsal is a set of receivers that keep what they get in a database of their own, and a jobs.toml that names them.
type rehearsal struct {
	dir, config, database string
	cfg                   *config.Config
	cli                   *cli
	warehouse             *load.Warehouse
	intake                *intake
	inbox                 *load.Inbox
}

// newRehearsal serves the receivers of a configuration. refused is called with every request that was not taken.
func newRehearsal(t *testing.T, receivers string, files map[string]string, refused func(redox.Event)) *rehearsal {
	t.Helper()
	r := &rehearsal{dir: t.TempDir(), database: pgtest.New(t)}
	r.config = filepath.Join(r.dir, "jobs.toml")
	for name, text := range files {
		writeFile(t, filepath.Join(r.dir, name), text)
	}
	writeFile(t, filepath.Join(r.dir, "database"), r.database)
	r.write(t, "127.0.0.1:0", receivers)
	r.cli = &cli{Main: &Main{Now: time.Now, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, ctx: t.Context(), config: r.config}
	var err error
	if r.cfg, err = r.cli.load(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if r.warehouse, err = load.Open(t.Context(), load.Config{URL: r.database, DDL: load.Apply, Log: log, MaxConns: 4}); err != nil {
		t.Fatal(err)
	}
	r.intake, err = r.cli.listenIntake(r.cfg, log, func(e redox.Event) {
		if e.Status != http.StatusOK {
			refused(e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.inbox, err = r.intake.open(r.warehouse); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.intake.stop(); err != nil {
			t.Error(err)
		}
		r.inbox.Close()
		r.warehouse.Close()
	})
	r.write(t, r.intake.addr, receivers)
	return r
}

func (r *rehearsal) write(t *testing.T, listen, receivers string) {
	writeFile(t, r.config, fmt.Sprintf("[postgres]\nurl = \"file:database\"\n[serve]\nlisten = %q\n%s", listen, receivers))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fake runs `syncd fake redox` with these flags.
func (r *rehearsal) fake(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	m := Main{Args: append([]string{"-c", r.config, "fake", "redox"}, args...), Stdout: &out, Stderr: &errs, Now: time.Now}
	code = m.Run(ctx)
	return code, out.String(), errs.String()
}

func TestTheFakePushesWithEveryStrategyThatItCanHave(t *testing.T) {
	t.Parallel()
	files := map[string]string{"token": strings.Repeat("t", 43) + "\n", "secret": strings.Repeat("s", 43)}
	keys := map[string]string{}
	for _, alg := range []string{"ES384", "RS256", "EdDSA"} {
		key, err := fake.NewKey(alg, "k1")
		if err != nil {
			t.Fatal(err)
		}
		set, err := fake.KeySet(key)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key.Private)
		if err != nil {
			t.Fatal(err)
		}
		files[alg+".json"], files[alg+".pem"] = string(set), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		keys[alg] = alg + ".pem"
	}
	strategies := map[string]struct{ auth, key string }{
		"plain":  {"", ""},
		"aws":    {"strategy = \"aws-sigv4\"\naccess_key = \"redox\"\nsecret_key = \"file:secret\"\nregion = \"here\"\nservice = \"syncd\"", ""},
		"oauth":  {"strategy = \"oauth2\"\nclient_id = \"redox\"\nclient_secret = \"file:secret\"\nscope = \"push\"", ""},
		"smart":  {"strategy = \"smart-backend\"\nclient_id = \"redox\"\njwks_file = \"ES384.json\"\naudience = \"https://etl.example.edu/token\"", "ES384"},
		"shared": {"strategy = \"jwt-bearer\"\nsecret = \"file:secret\"\nissuer = \"redox\"\naudience = \"syncd\"", ""},
		"signed": {"strategy = \"jwt-bearer\"\njwks_file = \"EdDSA.json\"\nissuer = \"redox\"\naudience = \"syncd\"", "EdDSA"},
		"grant":  {"strategy = \"jwt-bearer\"\ngrant = true\njwks_file = \"RS256.json\"\nissuer = \"redox\"\naudience = \"syncd\"", "RS256"},
		"gcp":    {"strategy = \"oauth2-jwt-bearer-gcp\"\njwks_file = \"RS256.json\"\nissuer = \"redox\"\naudience = \"syncd\"", "RS256"},
	}
	var receivers strings.Builder
	for name, s := range strategies {
		fmt.Fprintf(&receivers, "[redox.%s]\npath = \"/redox/%s\"\nverification_tokens = [\"file:token\"]\n", name, name)
		if s.auth != "" {
			fmt.Fprintf(&receivers, "[redox.%s.auth]\n%s\n", name, s.auth)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := newRehearsal(t, receivers.String(), files, func(e redox.Event) {
		t.Errorf("%s refused a request with %d: %s", e.Receiver, e.Status, e.Reason)
		cancel() // else it is tried again without end
	})
	for name, s := range strategies {
		args := []string{"--destination", name, "--messages", "40", "--rate", "2000", "--duplicates", "0", "--verify"}
		if s.key != "" {
			args = append(args, "--key", filepath.Join(r.dir, keys[s.key]), "--kid", "k1")
		}
		code, out, errs := r.fake(ctx, args...)
		if code != exitDone || !strings.Contains(out, "verified by POST") || !strings.Contains(out, "40 sent, 40 acknowledged, 0 retried, 0 failed\n") {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
		}
		kept := scalar(t, r.database, "SELECT count(*) || ' ' || count(*) FILTER (WHERE test) FROM syncd.delivery WHERE destination = '"+name+"'")
		if kept != "40 40" {
			t.Errorf("%s: deliveries, and those of tests: %s", name, kept)
		}
	}
}

func TestTheFakeSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t, `[redox.ward]
path = "/redox/ward"
verification_tokens = ["file:token"]
[redox.google]
path = "/redox/google"
[redox.google.auth]
strategy = "google-wif"
audience = "123"
[redox.smart]
path = "/redox/smart"
[redox.smart.auth]
strategy = "smart-backend"
client_id = "redox"
jwks_file = "keys.json"
audience = "a"
`, map[string]string{"token": strings.Repeat("t", 43), "keys.json": `{"keys":[]}`, "no.pem": "no key"}, func(redox.Event) {})
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--destination is missing"},
		{[]string{"--destination", "wart"}, "did you mean ward?"},
		{[]string{"--destination", "ward", "--rate", "0"}, "--rate 0: more than 0"},
		{[]string{"--destination", "ward", "--duplicates", "501"}, "from 0 to 500"},
		{[]string{"--destination", "ward", "--token-file", "token"}, "has its token in jobs.toml"},
		{[]string{"--destination", "google"}, "google-wif"},
		{[]string{"--destination", "smart"}, "--key"},
		{[]string{"--destination", "smart", "--key", filepath.Join(r.dir, "no.pem")}, "not a private key in PEM"},
		{[]string{"--destination", "http://etl.example.edu/redox"}, "in the clear"},
		{[]string{"--destination", "https://etl.example.edu/redox"}, "--token-file"},
	} {
		code, out, errs := r.fake(t.Context(), c.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, want %q in\n%s%s", c.args, code, c.want, out, errs)
		}
	}
}

func TestTheFakeSaysThatNothingWasTaken(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r := newRehearsal(t, "[redox.ward]\npath = \"/redox/ward\"\nverification_tokens = [\"file:token\"]\n", map[string]string{"token": strings.Repeat("t", 43), "wrong": "another"},
		func(redox.Event) { cancel(errInterrupted) })
	code, out, errs := r.fake(ctx, "--destination", "http://"+r.intake.addr+"/redox/ward", "--token-file", filepath.Join(r.dir, "wrong"), "--messages", "1")
	if code != exitFailed || !strings.Contains(errs, "nothing was acknowledged") {
		t.Errorf("exit %d though nothing was taken:\n%s%s", code, out, errs)
	}
	if n := scalar(t, r.database, "SELECT count(*) FROM syncd.delivery"); n != "0" {
		t.Errorf("%s deliveries were kept", n)
	}
}
