package main

import (
	"context"
	"fmt"

	"syncd/internal/fake/redcap"
)

const (
	rssLimit   = 256 // MB
	dictionary = 35_000
)

// memory measures B8: the peak of B1, of B1 with ten times the rows, and of a very wide dictionary, and of a very wide instrument. The worst of them is the figure.
func (b *bench) memory(ctx context.Context) error {
	worst := 0.0
	for _, part := range []struct {
		what                string
		rows, fields, forms int
	}{
		{"B1's rows", b.rows, fields, 1},
		{"ten times the rows", b.wide, fields, 1},
		{"a dictionary of 35,000 fields", 50, dictionary, dictionary / 1000},
		{"an instrument of 3,000 columns", 1_000, 3_000, 1},
	} {
		c, err := b.load(ctx, b.project(part.rows, part.fields, part.forms))
		if err != nil {
			return fmt.Errorf("%s: %w", part.what, err)
		}
		fmt.Printf("# B8 %s (%d rows, %d fields): %s\n", part.what, part.rows, part.fields, c)
		worst = max(worst, float64(c.rss)/(1<<20))
	}
	value("B8", worst, "MB", rssLimit)
	return nil
}

// load runs one first load in a database of its own.
func (b *bench) load(ctx context.Context, p *redcap.Project) (child, error) {
	w, err := b.warehouse(ctx, p)
	if err != nil {
		return child{}, err
	}
	defer w.close(ctx)
	defer b.front.forget()
	return w.sync(ctx)
}

// changeable is a field of a project that takes any text.
func changeable(p *redcap.Project) string {
	for _, f := range p.Fields() {
		if f.Type == "notes" || f.Type == "text" && f.Validation == "" && f.Name != p.RecordField() {
			return f.Name
		}
	}
	return ""
}

// change edits one record in a hundred: one value of one field.
func change(p *redcap.Project, rows, round int) error {
	field := changeable(p)
	for i := 1; i <= rows; i += 100 {
		if err := p.Set(fmt.Sprint(i), "", "", 0, field, fmt.Sprintf("changed %d in round %d", i, round)); err != nil {
			return fmt.Errorf("change record: %w", err)
		}
	}
	return nil
}
