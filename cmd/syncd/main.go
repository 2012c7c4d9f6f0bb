// Command syncd keeps REDCap projects, Engage campuses and what Redox pushes as typed tables in Postgres.
//
// It is the only place that knows every package: it reads jobs.toml, builds sources, warehouse and runner from it, and
// hands each verb what it needs. Results go to stdout, logs to stderr. No secret ever stands in an argument.
package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // scratch images have no time zones

	_ "golang.org/x/crypto/x509roots/fallback" // nor trust roots; used only where the host has none

	"syncd/internal/config"
)

// version is set by the linker.
var version = "dev"

// Main is one execution of the program as a value, so that tests start the same thing as main does.
type Main struct {
	Args           []string
	Stdout, Stderr io.Writer
	Stdin          io.Reader
	Now            func() time.Time
	Signals        <-chan os.Signal // nil: none come
	// Hangups begins to deliver what asks a daemon to read its configuration anew, until the func is called; nil: none come.
	Hangups func() (<-chan os.Signal, func())

	wait      time.Duration // before a request is tried again, at first; 0: a second. Tests have no time for that
	hurry     int           // how many times faster a stop is than in life; 0: as fast. Tests have no time for that
	large     int           // records of a first load that is not cut into chunks; 0: the usual. Tests have not that many
	attention attention
	options   []config.Option // of reading jobs.toml; tests rehearse with schedules of seconds
}

func main() { os.Exit(Run()) }

// Run executes the program with the process's own arguments and streams and returns its exit code.
func Run(options ...config.Option) int {
	boundMemory()
	signals, release := notify()
	defer release()
	m := &Main{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now, Signals: signals, Hangups: hangups, options: options}
	return m.Run(context.Background())
}

// memoryLimit keeps the collector ahead of a pull of any size: batches are bounded, and only the list of ids grows with a project.
const memoryLimit = 200 << 20

// boundMemory sets the limit unless the operator has set another.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
