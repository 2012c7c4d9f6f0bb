package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"syncd/extract/redox/auth"
)

// tokenBytes are random bytes of a verification token; in base64url they are 43 characters.
const tokenBytes = 32

// tokenCommand makes verification tokens.
func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "make verification tokens",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	out := ""
	add := &cobra.Command{
		Use:   "new",
		Short: "make a verification token: into a file that only you can read, or on stdout",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			token := newToken()
			if out == "" {
				_, err := fmt.Fprintln(c.Stdout, token)
				return err
			}
			if err := keepToken(out, token); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.Stdout, "wrote %s (fingerprint %s); refer to it with file:%s\n", out, auth.Fingerprint([]byte(token)), out)
			return err
		},
	}
	add.Flags().StringVar(&out, "out", "", "file to write it to, which must not be there yet")
	cmd.AddCommand(add)
	return cmd
}

// newToken makes a token that nobody guesses, of letters that need no quotes anywhere.
func newToken() string {
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // it never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// keepToken writes a token to a new file that nobody else can read.
func keepToken(path, token string) error {
	err := writeNew(path, token+"\n", 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and what it holds may be in use: name another file with --out", path)
	}
	return err
}
