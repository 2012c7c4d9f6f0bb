package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// auditCommand lists what people did with syncd.
func (c *cli) auditCommand() *cobra.Command {
	var action string
	var before int64
	limit := 50
	cmd := c.reading(&cobra.Command{
		Use:   "audit",
		Short: "who did what with syncd, newest first; audit verify proves that no row was changed or taken away",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.toRead(func(_ *config.Config, w *load.Warehouse) error {
				rows, err := w.Audited(c.ctx, before, action, limit)
				if err != nil {
					return err
				}
				g := &grid{head: []string{"audit_id", "at", "actor", "action", "subject", "detail"}, value: rows}
				for _, r := range rows {
					g.add(fmt.Sprint(r.ID), r.At.UTC().Format(time.RFC3339), r.Actor, r.Action, r.Subject, string(r.Detail))
				}
				return g.print(c.Stdout, c.output)
			})
		},
	})
	cmd.Flags().StringVar(&action, "action", "", "only this action, such as approve")
	cmd.Flags().Int64Var(&before, "before", 0, "rows before this audit_id, to page on")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many rows at most")
	cmd.AddCommand(c.auditVerifyCommand())
	return cmd
}

func (c *cli) auditVerifyCommand() *cobra.Command {
	head := ""
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "prove by their hashes that the rows of the audit are what was written; exit 1 where they are not",
		Long: "Each row carries the hash of the one before. A row that was changed, taken away or put in between shows. That rows at the end are\n" +
			"gone shows only against a hash that was noted before: verify prints it, --head takes it.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.toRead(func(_ *config.Config, w *load.Warehouse) error {
				chain, err := w.VerifyAudit(c.ctx, head)
				if err != nil {
					return err
				}
				if chain.Broken != 0 {
					fmt.Fprintf(c.Stderr, "syncd: the audit is not what was written: row %d: %s\n  next: compare with a backup; look who may write as the owner of schema syncd\n", chain.Broken, chain.Why)
					return &exitError{code: exitFailed}
				}
				_, err = fmt.Fprintf(c.Stdout, "the audit is what was written: %s rows, head %s\n", count(chain.Rows), chain.Head)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&head, "head", "", "a head that was noted before and must still be there")
	return cmd
}
