package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Including returns the text of a main file so that it includes a further file: as it is where it does already, else with a
// pattern added to include, or a line with it before the first key. Nothing else of the text changes, its comments included.
func Including(path string, text []byte, pattern, file string) ([]byte, error) {
	t, problems := parse(path, text)
	if len(problems) > 0 {
		return nil, problems
	}
	line := fmt.Sprintf("include = [%q]", pattern)
	n := t.root.kid("include")
	switch {
	case n == nil:
		at := beforeFirst(text)
		return bytes.Join([][]byte{text[:at], []byte(line + "\n"), text[at:]}, nil), nil
	case n.kind != listKind:
		return nil, Problems{n.wrong("must be a list of texts")}
	}
	for _, e := range n.kids {
		if fits, err := filepath.Match(e.beside(e.text), file); err == nil && fits {
			return text, nil
		}
	}
	at := offsetOf(text, n.at)
	open := bytes.IndexByte(text[at:], '[') // after the key, which has none in it
	if open < 0 || n.key != "include" {
		return nil, Problems{n.wrong("could not be edited: add %q to it by hand", pattern)}
	}
	at += open + 1
	entry := fmt.Sprintf("%q", pattern)
	if len(n.kids) > 0 {
		entry += ", "
	}
	return bytes.Join([][]byte{text[:at], []byte(entry), text[at:]}, nil), nil
}

// beforeFirst is where a line may stand before all keys and tables of a file: behind the comment that it begins with, where an
// empty line ends that.
func beforeFirst(text []byte) int {
	at, behind := 0, 0
	for at < len(text) {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		switch line := strings.TrimSpace(string(text[at:end])); {
		case line == "":
			return end
		case !strings.HasPrefix(line, "#"):
			return behind
		}
		at = end
	}
	return behind
}

// offsetOf finds the byte at a place of a text.
func offsetOf(text []byte, p place) int {
	at := 0
	for line := 1; line < p.line; line++ {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	for range p.column - 1 {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}
