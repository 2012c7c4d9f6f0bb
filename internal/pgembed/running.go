package pgembed

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Running returns the URL of a database of the server that another process runs on dir, and false where none does. A
// second command (status beside serve) talks to that server and leaves its life to the process that started it.
func Running(dir, database string) (string, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	s := &Server{opts: Options{Dir: dir}}
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return "", false
	}
	lines := strings.Split(string(text), "\n") // pid, data, start, port, socket folder, address, shared memory, status
	if len(lines) < 8 || strings.TrimSpace(lines[7]) != "ready" {
		return "", false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || !serves(pid, s.data()) {
		return "", false
	}
	u := url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/" + database,
		RawQuery: url.Values{"host": {strings.TrimSpace(lines[4])}, "port": {strings.TrimSpace(lines[3])}}.Encode(),
	}
	return u.String(), true
}
