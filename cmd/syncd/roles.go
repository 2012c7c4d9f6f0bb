package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"syncd/migrations"
)

// rolesCommand prints what parts the work among roles. It asks no database: what it prints looks for itself.
func (c *cli) rolesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "roles",
		Short: "the SQL that makes the roles of syncd and gives them their rights, for the DBA: syncd roles | psql -d DATABASE",
		Long: "Prints SQL that makes four roles, hands them what syncd has made so far, and gives each what it needs and no more:\n" +
			"  syncd_migrate  owns schema syncd: postgres.migrate_url\n" +
			"  syncd_app      owns the schemas of jobs and receivers, and works in schema syncd: postgres.url\n" +
			"  syncd_report   reads the views over all projects\n" +
			"  syncd_audit    reads what people did, and the runs\n" +
			"A superuser runs it, or whoever owns the database and may make roles. It may be run again.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.Stdout, "\\set ON_ERROR_STOP on\n"+migrations.Roles())
			return err
		},
	}
}
