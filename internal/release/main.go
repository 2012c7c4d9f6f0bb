// Command release makes what a release is made of beside its binaries: the list of what is inside each (SBOM), Debian packages,
// and the sources with everything that they need to be built without a network.
//
// What comes in: binaries that `go build` made, and the tree of a commit. What goes out: files that are the same, byte for byte, whoever makes
// them from the same commit. It must never reach a network, and never take the time of day: the commit's stands for it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

// options are what the verbs are told.
type options struct {
	out, version, arch, binary, tree string
	at                               time.Time
}

// run carries out one verb.
func run(args []string, help io.Writer) error {
	if len(args) == 0 {
		return errors.New("say which: sbom, deb or source")
	}
	var o options
	var seconds string
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&o.out, "o", "", "file to write")
	flags.StringVar(&o.version, "version", "", "version, as git describe tells it")
	flags.StringVar(&o.arch, "arch", "", "deb: architecture in Debian's words")
	flags.StringVar(&o.binary, "binary", "", "sbom, deb: the program")
	flags.StringVar(&o.tree, "tree", ".", "deb, source: folder of the sources")
	flags.StringVar(&seconds, "epoch", "", "time of the commit, in seconds since 1970")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || o.out == "" || o.version == "" {
		return errors.New("-o, -version and -epoch are needed")
	}
	o.at = time.Unix(at, 0).UTC()
	makers := map[string]func(io.Writer, options) error{"sbom": writeSBOM, "deb": writeDeb, "source": writeSource}
	write, known := makers[args[0]]
	if !known {
		return fmt.Errorf("%s: sbom, deb or source", args[0])
	}
	return toFile(o, write)
}

// toFile writes a file whole or not at all.
func toFile(o options, write func(io.Writer, options) error) error {
	f, err := os.CreateTemp(".", ".release-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f, o), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), o.out)
}
