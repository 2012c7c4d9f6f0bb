package migrations

import (
	"context"
	_ "embed"
	"fmt"
)

var (
	//go:embed roles.sql
	rolesSQL string
	//go:embed grants.sql
	grantsSQL string
)

// The roles that a DBA may part the work among. Without them one role does all.
const (
	RoleMigrate = "syncd_migrate" // owns schema syncd
	RoleApp     = "syncd_app"     // owns the schemas of jobs and receivers, and works in schema syncd
	RoleReport  = "syncd_report"  // reads the views over all projects
	RoleAudit   = "syncd_audit"   // reads what people did, and the runs
)

// Roles is the SQL that makes the roles, hands them what is there, and gives them their rights: for a superuser, or a DBA who may make
// roles and owns the database. It may be run at any version of the schema, and again.
func Roles() string { return rolesSQL + "\n" + grantsSQL }

// grant gives the roles their rights on what the migrations made, where there are such roles.
func (s *session) grant(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, grantsSQL); err != nil {
		return fmt.Errorf("grant rights in schema syncd: %w", clean(err))
	}
	return nil
}
