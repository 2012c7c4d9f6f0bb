package load

import (
	"context"
	_ "embed"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/rights_role.sql
	rightsRoleSQL string
	//go:embed sql/rights_lacking.sql
	rightsLackingSQL string
)

// Rights is as whom syncd is connected, and what that role may not do that it should.
type Rights struct {
	Server    string // version of Postgres
	Role      string
	Superuser bool
	Owner     bool // of schema syncd, or it may make it
	Lacking   []Lack
}

// Lack is a right that is missing.
type Lack struct {
	What  string // CREATE on database warehouse
	Grant string // the statement that gives it
}

// Rights looks at what the role may do, for a configuration that writes these schemas. It changes nothing.
func (w *Warehouse) Rights(ctx context.Context, schemas []string) (Rights, error) {
	var r Rights
	if err := w.pool.QueryRow(ctx, rightsRoleSQL).Scan(&r.Server, &r.Role, &r.Superuser, &r.Owner); err != nil {
		return r, fault("look at rights", err)
	}
	rows, err := w.pool.Query(ctx, rightsLackingSQL, w.ddl == Apply, schemas)
	if err != nil {
		return r, fault("look at rights", err)
	}
	r.Lacking, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Lack])
	return r, fault("look at rights", err)
}
