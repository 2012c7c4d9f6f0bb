package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// grid is what a reading verb prints: the same cells as an aligned table, as CSV, or the value itself as JSON.
type grid struct {
	head  []string
	rows  [][]string
	value any // what -o json prints
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// print writes g in a format: table, json or csv.
func (g *grid) print(w io.Writer, format string) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(g.value)
	case "csv":
		out := csv.NewWriter(w)
		if err := out.Write(g.head); err != nil {
			return err
		}
		for _, row := range g.rows {
			if err := out.Write(neutral(row)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	default:
		return g.table(w)
	}
}

func (g *grid) table(w io.Writer) error {
	var out bytes.Buffer
	tw := tabwriter.NewWriter(&out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ToUpper(strings.Join(g.head, "\t")))
	for _, row := range g.rows {
		fmt.Fprintln(tw, strings.Join(row[:g.used(row)], "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(out.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// used is how many cells of a row are written: those at its end that are empty keep their columns below one another, but where
// the last column but one holds sentences, no row is widened for them.
func (g *grid) used(row []string) int {
	short := !slices.ContainsFunc(g.rows, func(r []string) bool { return len(r) > 1 && len(r[len(r)-2]) > 60 })
	if short {
		return len(row)
	}
	n := len(row)
	for n > max(1, len(row)-2) && row[n-1] == "" {
		n--
	}
	return n
}

// neutral keeps a spreadsheet from taking a cell for a formula.
func neutral(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			cell = "'" + cell
		}
		out[i] = cell
	}
	return out
}

// counted prints n with the name of what is counted, which gets an s unless there is one: 1 chunk, 2,000 chunks, 2 batches.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "ch") {
		one += "e"
	}
	return count(n) + " " + one + "s"
}

// count prints n with thin groups of three digits: 1,234,567.
func count(n int64) string {
	s := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
