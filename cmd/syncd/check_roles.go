package main

import (
	"context"
	"fmt"
	"log/slog"

	"syncd/internal/config"
	"syncd/load"
	"syncd/migrations"
)

// checkRoles says as whom syncd works, and what that role may do too much or too little.
func (c *cli) checkRoles(ctx context.Context, cfg *config.Config, w *load.Warehouse, log *slog.Logger) []finding {
	const subject = "postgres"
	var schemas []string
	for _, j := range cfg.Jobs {
		at, err := w.SchemaOf(ctx, j.Name, j.Schema)
		if err != nil { // there is no ledger yet
			at = j.Schema
		}
		schemas = append(schemas, at)
	}
	for _, r := range cfg.Receivers {
		schemas = append(schemas, r.Schema)
	}
	rights, err := w.Rights(ctx, schemas)
	if err != nil {
		return []finding{failed(subject, "connect", err)}
	}
	all := []finding{{Subject: subject, What: "connect", OK: true, Detail: fmt.Sprintf("PostgreSQL %s as %s", rights.Server, rights.Role)}}
	if part := partOf(rights.Role); part != "" {
		f := finding{Subject: subject, What: "role", Detail: rights.Role + " is the role " + part + ", not the one that syncd works as", Next: "the user " + migrations.RoleApp + " in [postgres] url"}
		return append(all, f)
	}
	if rights.Superuser && !cfg.Postgres.Private {
		all = append(all, finding{
			Subject: subject, What: "role", Warning: true, Detail: rights.Role + " is a superuser: a stolen password is the whole server",
			Next: "syncd roles | psql, and then the role syncd_app in postgres.url, syncd_migrate in postgres.migrate_url",
		})
	}
	for _, lack := range rights.Lacking {
		all = append(all, finding{Subject: subject, What: "rights", Detail: rights.Role + " lacks " + lack.What, Next: "as the owner: " + lack.Grant})
	}
	if !cfg.Postgres.MigrateURL.IsZero() {
		all = append(all, c.checkMigrator(ctx, cfg, log))
	}
	return all
}

// partOf says what a role of `syncd roles` is for, unless it is that of the work: it lacks almost every right, and should be given none.
func partOf(role string) string {
	switch role {
	case migrations.RoleMigrate:
		return "of [postgres] migrate_url"
	case migrations.RoleReport:
		return "of people who read the views over all projects"
	case migrations.RoleAudit:
		return "of people who read the audit"
	}
	return ""
}

// checkMigrator looks whether the role for migrations may migrate.
func (c *cli) checkMigrator(ctx context.Context, cfg *config.Config, log *slog.Logger) finding {
	f := finding{Subject: "postgres", What: "migrate_url"}
	url, err := c.migrator(ctx, cfg, "")
	if err != nil {
		return failed(f.Subject, f.What, err)
	}
	w, err := load.Open(ctx, load.Config{URL: url, Log: log})
	if err != nil {
		return failed(f.Subject, f.What, err)
	}
	defer w.Close()
	rights, err := w.Rights(ctx, nil)
	if err != nil {
		return failed(f.Subject, f.What, err)
	}
	f.OK, f.Detail = rights.Owner, rights.Role+" owns schema syncd"
	if !rights.Owner {
		f.Detail, f.Next = rights.Role+" does not own schema syncd and cannot migrate it", "as a superuser: syncd roles | psql"
	}
	return f
}

// checkInstallation says whether the database is this installation's own, and where it always was.
func checkInstallation(ctx context.Context, cfg *config.Config, w *load.Warehouse) finding {
	f := finding{Subject: "postgres", What: "installation"}
	s, err := w.Whereabouts(ctx, cfg.Installation)
	switch {
	case err != nil:
		return failed(f.Subject, f.What, err)
	case s.Stop != "":
		return failed(f.Subject, f.What, load.Stopped(s.Stop))
	}
	f.OK, f.Detail = true, "installation "+cfg.Installation+", id "+s.ID
	return f
}
