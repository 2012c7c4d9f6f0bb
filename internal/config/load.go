package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"syncd/schedule"
)

// Option changes how Load judges a configuration.
type Option func(*loader)

// LeastEvery allows "@every" schedules down to an interval; without it that is one minute. For rehearsals.
func LeastEvery(d time.Duration) Option {
	return func(l *loader) { l.schedules = append(l.schedules, schedule.Least(d)) }
}

// Given has Load take files from memory, by path, whether they are there or not: how a change is judged before it is written.
func Given(files map[string][]byte) Option {
	return func(l *loader) { l.given = files }
}

// Load reads a configuration and everything that it includes. Its error is Problems, all of them, whatever is wrong;
// it reads no secret and asks nobody: what those answer is found by Faults and at use.
func Load(path string, options ...Option) (*Config, error) {
	l := &loader{files: []string{path}, sum: sha256.New()}
	for _, o := range options {
		o(l)
	}
	root := l.read(path)
	for _, file := range l.included(root) {
		other := l.read(file)
		if root == nil || other == nil {
			continue
		}
		if n := other.drop("include"); n != nil {
			l.add(n.wrong("only the main file includes others"))
		}
		l.add(root.merge(other)...)
	}
	var c *Config
	if !l.unread {
		c = l.build(root)
	}
	if len(l.problems) > 0 {
		return nil, l.problems.sorted(l.files)
	}
	c.Sum = hex.EncodeToString(l.sum.Sum(nil))
	return c, nil
}

// loader gathers the problems of one Load.
type loader struct {
	files     []string
	problems  Problems
	sum       hash.Hash // of the files' names and texts
	schedules []schedule.Option
	given     map[string][]byte // in place of what is on the disk

	unread bool // a whole file could not be read: what seems to be missing or wrong may be right there
	lost   bool // or a whole section
}

func (l *loader) add(ps ...Problem) { l.problems = append(l.problems, ps...) }

// read makes the tree of one file. What cannot be read at all is a problem at its beginning, and no tree.
func (l *loader) read(path string) *node {
	var t tree
	data, given := l.given[path]
	var err error
	if !given {
		data, err = slurp(path)
	}
	if err != nil {
		l.add(place{path, 1, 1}.problem("", "", "%v", err))
	} else {
		fmt.Fprintf(l.sum, "%q %d\n", filepath.Base(path), len(data))
		_, _ = l.sum.Write(data) // never fails
		var problems Problems
		t, problems = parse(path, data)
		l.add(problems...)
	}
	l.unread = l.unread || t.root == nil
	l.lost = l.lost || t.lost
	return t.root
}

// missing adds a problem about a key that is not there, unless it may stand in what could not be read.
func (l *loader) missing(section *node, path, format string, args ...any) {
	if !section.flawed && !l.lost {
		l.add(section.at.problem(path, "", format, args...))
	}
}

// slurp reads a regular file, one byte more than is allowed at most, so that parse can say so.
func slurp(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", reasonOf(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read file: it is %s, not a file", modeName(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", reasonOf(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", reasonOf(err))
	}
	return data, nil
}

// included lists the files that the main file includes, each once, in the order of the patterns and then of the names.
func (l *loader) included(root *node) []string {
	n := root.kid("include")
	if n == nil || n.kind != listKind {
		return nil // of the wrong type: decode says so
	}
	for _, e := range n.kids {
		if e.kind != textKind || e.text == "" {
			continue
		}
		found, err := filepath.Glob(e.beside(e.text))
		for _, path := range slices.Sorted(maps.Keys(l.given)) {
			if fits, bad := filepath.Match(e.beside(e.text), path); bad == nil && fits && !slices.Contains(found, path) {
				found = append(found, path)
			}
		}
		switch {
		case err != nil:
			l.add(e.problem("is not a pattern of file names"))
		case len(found) == 0 && !strings.ContainsAny(e.text, "*?["):
			l.add(e.problem("there is no such file"))
		}
		for _, f := range found {
			if !slices.ContainsFunc(l.files, func(known string) bool { return known == f || sameFile(known, f) }) {
				l.files = append(l.files, f)
			}
		}
	}
	return l.files[1:]
}

func sameFile(a, b string) bool {
	ai, err := os.Stat(a)
	if err != nil {
		return a == b
	}
	bi, err := os.Stat(b)
	return err == nil && os.SameFile(ai, bi)
}

// build makes the value of a tree: defaults first, then the server's, then the job's own keys.
func (l *loader) build(root *node) *Config {
	c := &Config{Files: l.files, Servers: map[string]*Server{}, Campuses: map[string]*Campus{}, Receivers: map[string]*Receiver{}, Jobs: map[string]*Job{}, Notifiers: map[string]*Notifier{}, set: settings{}}
	fill(c)
	l.add(decode(c, root, c.set, "defaults", "redcap", "engage", "redox", "job", "notify")...)
	l.checkTop(c, root)

	general := root.kid("defaults")
	l.checkLayer(c, general, "")
	for _, n := range l.named(root.kid("redcap"), "redcap") {
		s := &Server{Name: n.key, node: n, set: settings{}}
		fill(s)
		l.add(decode(s, n, s.set, "defaults")...)
		l.checkServer(c, s)
		l.checkLayer(c, n.kid("defaults"), redcapFamily)
		c.Servers[s.Name] = s
	}
	for _, n := range l.named(root.kid("engage"), "engage") {
		s := &Campus{Name: n.key, node: n, set: settings{}}
		fill(s)
		l.add(decode(s, n, s.set, "defaults")...)
		l.checkCampus(c, s)
		l.checkLayer(c, n.kid("defaults"), engageFamily)
		c.Campuses[s.Name] = s
	}
	for _, n := range l.named(root.kid("redox"), "redox") {
		r := &Receiver{Name: n.key, Schema: n.key, node: n, set: settings{}}
		fill(r)
		l.add(decode(r, n, r.set)...)
		l.checkReceiver(c, r)
		r.PurgeKey = c.Purge.Key
		c.Receivers[r.Name] = r
	}
	for _, n := range l.named(root.kid("job"), "job") {
		l.job(c, n, general, root)
	}
	for _, n := range l.named(root.kid("notify"), "notify") {
		r := &Notifier{Name: n.key, node: n, set: settings{}}
		fill(r)
		l.add(decode(r, n, r.set)...)
		l.checkNotifier(r)
		c.Notifiers[r.Name] = r
	}
	l.checkOwners(c)
	return c
}

// named returns the tables of a family ([redcap.NAME], [engage.NAME], [redox.NAME], [job.NAME], [notify.NAME]), those of bad names too: their keys
// are looked at all the same.
func (l *loader) named(family *node, word string) []*node {
	if family == nil {
		return nil
	}
	if family.kind != tableKind {
		l.add(family.wrong("must be written as [%s.NAME]", word))
		return nil
	}
	var tables []*node
	for _, n := range family.kids {
		if n.kind != tableKind {
			l.add(n.wrong("must be a table, [%s.NAME], not %s", word, n.kind))
			continue
		}
		if reason := badName(n.key); reason != "" {
			l.add(n.wrong("%s", reason))
		}
		tables = append(tables, n)
	}
	return tables
}

// job puts the three layers of one job on top of each other.
func (l *loader) job(c *Config, n, general, root *node) {
	j := &Job{Name: n.key, Schema: n.key, node: n, set: settings{}}
	family, server, _ := strings.Cut(sourceOf(n, general), ".")
	fill(j.keys(family))
	l.add(decode(j.keys(family).tolerant(), general, j.set)...)
	l.add(decode(j.keys(family), root.kid(family).kid(server).kid("defaults"), j.set)...)
	l.add(decode(j.keys(family), n, j.set)...)
	l.checkJob(c, j, root)
	c.Jobs[j.Name] = j
}

// sourceOf finds a job's source before its server's defaults are known.
func sourceOf(layers ...*node) string {
	for _, n := range layers {
		if s := n.kid("source"); s != nil {
			return s.text
		}
	}
	return ""
}
