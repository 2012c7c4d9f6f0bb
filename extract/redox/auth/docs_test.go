package auth

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

const page = "../../../docs/redox-auth.md"

// The examples of the page are taken by the check of the options, and each strategy has a section with one.
func TestTheExamplesOfThePageAreRight(t *testing.T) {
	text := string(must(os.ReadFile(page)))
	examples := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(text, -1) {
		var file struct {
			Redox map[string]struct{ Auth map[string]any }
		}
		if err := toml.Unmarshal([]byte(block[1]), &file); err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		for _, r := range file.Redox {
			if r.Auth == nil {
				continue
			}
			options, secrets := read(t, r.Auth)
			if misfits := options.Check(secrets, publicURL); len(misfits) > 0 {
				t.Errorf("%v in\n%s", misfits, block[1])
			}
			examples[options.Strategy]++
		}
	}
	for _, strategy := range strategies() {
		if examples[strategy] == 0 || !strings.Contains(text, "\n## "+strategy+"\n") {
			t.Errorf("%s has %d examples, and perhaps no section", strategy, examples[strategy])
		}
	}
}

// read sets options by their keys, and marks the secrets that are there.
func read(t *testing.T, keys map[string]any) (o Options, s Secrets) {
	t.Helper()
	secrets := map[string]*Secret{
		"secret_key": &s.SecretKey, "secret_key_old": &s.SecretKeyOld, "session_token": &s.SessionToken, "client_secret": &s.ClientSecret,
		"client_secret_old": &s.ClientSecretOld, "secret": &s.Shared, "secret_old": &s.SharedOld,
	}
	v := reflect.ValueOf(&o).Elem()
	for name, value := range keys {
		if secret := secrets[name]; secret != nil {
			*secret = text("secret")
			continue
		}
		known := false
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("toml") != name {
				continue
			}
			known = true
			switch f := v.Field(i); f.Interface().(type) {
			case string:
				f.SetString(value.(string))
			case bool:
				f.SetBool(value.(bool))
			case time.Duration:
				f.SetInt(int64(must(time.ParseDuration(value.(string)))))
			case []string:
				list, ok := value.([]any)
				if !ok {
					list = []any{value}
				}
				for _, item := range list {
					f.Set(reflect.Append(f, reflect.ValueOf(item)))
				}
			}
		}
		if !known {
			t.Errorf("%s is no key", name)
		}
	}
	return o, s
}

// Each reason that the page explains is one that the package gives.
func TestTheReasonsOfThePageAreGiven(t *testing.T) {
	var source strings.Builder
	for _, file := range must(filepath.Glob("*.go")) {
		if !strings.HasSuffix(file, "_test.go") {
			source.Write(must(os.ReadFile(file)))
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(must(os.ReadFile(page))), -1)
	if len(rows) < 30 {
		t.Errorf("the page explains %d reasons", len(rows))
	}
	for _, row := range rows {
		if !strings.Contains(source.String(), row[1]) {
			t.Errorf("the page explains %q, which is never given", row[1])
		}
	}
}
