package load

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

// cellKeys is how many keys one query of Cells names.
const cellKeys = 1_000

// Cells reads rows by their first key column, some keys at a time, or the whole table page by page.
func (h holdings) Cells(ctx context.Context, t *extract.Table, keys, columns []string, yield func([]string) error) error {
	sh, err := h.r.tables.of(t)
	if err != nil {
		return err
	}
	if !sh.t.exists || len(sh.t.primary) == 0 {
		return nil
	}
	c := &cellReader{h: h, sh: sh, list: sh.cellList(columns), cells: make([]string, len(columns)), yield: yield}
	if keys == nil {
		return c.all(ctx)
	}
	if sh.t.keys()[0].typ != extract.Text {
		return extract.Errorf(extract.KindInternal, "read cells", "the first key column of %s is not text", sh.t)
	}
	for some := range slices.Chunk(keys, cellKeys) {
		if _, err := c.read(ctx, "t."+ident(sh.t.primary[0])+" = ANY($1::text[])", "", some); err != nil {
			return err
		}
	}
	return nil
}

// cellReader hands out the cells of one table.
type cellReader struct {
	h     holdings
	sh    *shape
	list  string // what is selected
	cells []string
	yield func([]string) error
}

// all goes through the table in the order of its key.
func (c *cellReader) all(ctx context.Context) error {
	var after []string
	for {
		where, args := "true", []any(nil)
		if after != nil {
			key := make([]string, len(after))
			for i, k := range c.sh.t.keys() {
				key[i] = "$" + string(rune('1'+i)) + "::text::" + k.typ.String()
				args = append(args, after[i])
			}
			where = "(" + c.keyList() + ") > (" + strings.Join(key, ", ") + ")"
		}
		last, err := c.read(ctx, where, " LIMIT $"+string(rune('1'+len(args))), append(args, keyPage)...)
		if err != nil || last == nil {
			return err
		}
		after = last
	}
}

// read hands out one page, and returns the key of its last row; nil where the page was not full, or had no end.
func (c *cellReader) read(ctx context.Context, where, limit string, args ...any) (last []string, err error) {
	keys := len(c.sh.t.primary)
	sql := "SELECT " + c.keyTexts() + c.list + " FROM " + name(c.sh.t.schema, c.sh.t.name) + " AS t WHERE " + where + " ORDER BY " + c.keyList() + limit
	rows, err := c.h.r.w.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fault("read cells of "+c.sh.t.String(), err)
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]string, error) {
		out := make([]string, keys+len(c.cells))
		into := make([]any, len(out))
		for i := range out {
			into[i] = &out[i]
		}
		return out, row.Scan(into...)
	})
	if err != nil {
		return nil, fault("read cells of "+c.sh.t.String(), err)
	}
	for _, row := range page {
		copy(c.cells, row[keys:])
		if err := c.yield(c.cells); err != nil {
			return nil, err
		}
	}
	if limit == "" || len(page) < keyPage {
		return nil, nil
	}
	return page[len(page)-1][:keys], nil
}

func (c *cellReader) keyList() string {
	var list []string
	for _, k := range c.sh.t.primary {
		list = append(list, "t."+ident(k))
	}
	return strings.Join(list, ", ")
}

func (c *cellReader) keyTexts() string {
	var list []string
	for _, k := range c.sh.t.primary {
		list = append(list, "t."+ident(k)+"::text")
	}
	return strings.Join(list, ", ")
}

// cellList selects the stored columns of some columns of the source; what has none yet is empty.
func (s *shape) cellList(columns []string) string {
	var b strings.Builder
	for _, name := range columns {
		at := slices.IndexFunc(s.src.Columns, func(c extract.Column) bool { return c.Name == name })
		if at >= 0 && s.from != nil {
			at = s.from[at]
		}
		if at < 0 || at >= len(s.columns) {
			b.WriteString(", ''")
			continue
		}
		b.WriteString(", coalesce(t." + ident(s.columns[at].name) + "::text, '')")
	}
	return b.String()
}
