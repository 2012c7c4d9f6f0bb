package load

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

//go:embed sql/view_defs.sql
var viewDefsSQL string

// relationShape finds the tables that a view's query names in braces.
var relationShape = regexp.MustCompile(`\{([a-z0-9_.]+)\}`)

// views are the steps that make the views of a structure say what they should. A view that is as it was made is left alone;
// one whose tables are not there yet waits for them.
func (p *planner) views(ctx context.Context, q querier, s *extract.Structure) ([]step, error) {
	if len(s.Views) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, viewDefsSQL, p.base)
	if err != nil {
		return nil, fault("read views", err)
	}
	made := map[string]string{}
	var view, digest string
	if _, err := pgx.ForEachRow(rows, []any{&view, &digest}, func() error { made[view] = digest; return nil }); err != nil {
		return nil, fault("read views", err)
	}
	var steps []step
	for _, v := range s.Views {
		query, missing := p.resolve(v.Query, s)
		sum := sha256.Sum256([]byte(query + "\x00" + v.Comment))
		digest := hex.EncodeToString(sum[:16])
		if missing != "" || made[v.Name] == digest {
			continue
		}
		at := name(p.base, v.Name)
		ddl := []string{"CREATE OR REPLACE VIEW " + at + " AS " + query, "COMMENT ON VIEW " + at + " IS " + literal(v.Comment)}
		if p.ddl == Plan {
			ddl = append(ddl, grantTable(p.base, v.Name, p.role))
		}
		steps = append(steps, step{
			Change: Change{Schema: p.base, Table: v.Name, Kind: kindView, Detail: "view"},
			place:  place{name: v.Name},
			ddl:    ddl,
			ledger: []string{fmt.Sprintf("INSERT INTO syncd.view_def (schema_name, view_name, digest) VALUES (%s, %s, %s) ON CONFLICT (schema_name, view_name) DO UPDATE SET digest = excluded.digest, made_at = clock_timestamp()",
				literal(p.base), literal(v.Name), literal(digest))},
		})
	}
	return steps, nil
}

// resolve puts the names of tables into a query. It tells the first table that is neither there nor planned.
func (p *planner) resolve(query string, s *extract.Structure) (resolved, missing string) {
	resolved = relationShape.ReplaceAllStringFunc(query, func(match string) string {
		at := place{name: match[1 : len(match)-1]}
		if side, table, ok := strings.Cut(at.name, "."); ok {
			at = place{extract.Side(side), table}
		}
		t := p.have[at]
		if (t == nil || !t.exists) && (p.ddl == Apply || !planned(s, at)) {
			missing = at.name
			return match
		}
		if t != nil && t.exists {
			return name(t.schema, t.name)
		}
		return name(p.base+string(at.side), at.name)
	})
	return resolved, missing
}

func planned(s *extract.Structure, at place) bool {
	for _, t := range s.Tables {
		if placeOf(t) == at {
			return true
		}
	}
	return false
}

// views makes the views of a structure, now that its tables are there.
func (a *agreement) views(ctx context.Context, s *extract.Structure) error {
	steps, err := a.p.views(ctx, a.r.w.pool, s)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if _, err := a.try(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
