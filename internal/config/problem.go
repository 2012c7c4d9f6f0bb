package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a file of the configuration.
type Problem struct {
	File         string // as it was named to Load, or by include
	Line, Column int    // from 1; columns count characters
	Field        string // path of the key: job.asthma.schedule; empty where the file itself is the matter
	Value        string // quoted, and cut where it is long; empty where it is a secret or might hold one
	Reason       string // what is wrong and, where that is known, what to write instead
}

// String prints one line: position, field, value, reason.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Field != "" {
		b.WriteString(p.Field)
		if p.Value != "" {
			b.WriteString(" = " + p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Reason)
	return b.String()
}

// Problems is every mistake of a configuration, in the order of its files and lines. It is the error of Load: where
// it is returned nothing of the configuration may be used.
type Problems []Problem

// printed bounds the text of an error; the list itself is whole.
const printed = 100

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, 0, min(len(ps), printed)+1)
	for i, p := range ps {
		if i == printed {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(ps)-printed))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// sorted orders problems as a reader goes through the files, and keeps one of equals.
func (ps Problems) sorted(files []string) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// place is a position in a file.
type place struct {
	file         string
	line, column int
}

// String prints file:line, as a setting's origin is shown.
func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (p place) problem(field, value, format string, args ...any) Problem {
	return Problem{File: p.file, Line: p.line, Column: p.column, Field: field, Value: value, Reason: fmt.Sprintf(format, args...)}
}

// nearest returns the word that was probably meant, or "".
func nearest(word string, words []string) string {
	best, least := "", 1+min(3, max(1, len(word)/3))
	for _, w := range words {
		if d := distance(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean words a suggestion, or nothing.
func didYouMean(word string, words []string) string {
	if w := nearest(word, words); w != "" {
		return "; did you mean " + w + "?"
	}
	return ""
}
