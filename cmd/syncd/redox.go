package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"syncd/extract/redox/auth"
	"syncd/internal/config"
)

// redoxCommand is what concerns Redox alone.
func (c *cli) redoxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redox",
		Short: "set up receivers of what Redox pushes",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.redoxSetupCommand())
	return cmd
}

func (c *cli) redoxSetupCommand() *cobra.Command {
	var public, out string
	cmd := &cobra.Command{
		Use:   "setup NAME",
		Short: "make path and token of a new receiver: the block for jobs.toml on stdout, and what to type at Redox on stderr",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.redoxSetup(args[0], public, out)
		},
	}
	cmd.Flags().StringVar(&public, "public", "", "URL by which Redox will reach this host, such as https://etl.example.edu (default: public_url of jobs.toml)")
	cmd.Flags().StringVar(&out, "out", "", "file for the token (default: redox-NAME.token beside jobs.toml)")
	return cmd
}

func (c *cli) redoxSetup(name, public, out string) error {
	if err := config.CheckName(name); err != nil {
		return &exitError{exitUsage, err}
	}
	cfg, err := c.loadIfThere()
	if err != nil {
		return err
	}
	if cfg != nil {
		if r := cfg.Receivers[name]; r != nil {
			return usage("receiver %s is at %s already; syncd token new --out FILE makes another token for it", name, r.Place())
		}
		if j := cfg.Jobs[name]; j != nil {
			return usage("%s is the name of a job already (%s)", name, j.Place())
		}
		if public == "" {
			public = cfg.Serve.PublicURL
		}
	}
	if public == "" {
		public = "https://YOUR-HOST"
	}
	folder := filepath.Dir(c.config)
	if out == "" {
		out = filepath.Join(folder, "redox-"+name+".token")
	}
	token := newToken()
	if err := keepToken(out, token); err != nil {
		return err
	}
	reference := out
	if rel, err := filepath.Rel(folder, out); err == nil && filepath.IsLocal(rel) {
		reference = rel
	}
	path := "/redox/" + name + "-" + strings.ToLower(rand.Text())
	_, err = fmt.Fprintf(c.Stdout, setupBlock, name, path, filepath.ToSlash(reference))
	return errors.Join(err, c.tellSetup(name, strings.TrimRight(public, "/")+path, out, auth.Fingerprint([]byte(token))))
}

// loadIfThere reads the configuration; nil where there is none yet, or only what a shell made of ">> jobs.toml".
func (c *cli) loadIfThere() (*config.Config, error) {
	info, err := os.Stat(c.config)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return nil, nil
	}
	return c.load()
}

const setupBlock = `
[redox.%[1]s]
path = "%[2]s"
verification_tokens = ["file:%[3]s"]
# patient_id_types = ["MR"]    # by which identifier patients are told apart; ask the site how it names its record numbers
`

const setupSteps = `The block that begins with [redox.%[1]s], on stdout, belongs into %[5]s.
The token is in %[3]s (fingerprint %[4]s), which only you can read; it is a password.

Then, at Redox:
  1. syncd serve must be reached as %[2]s
     over HTTPS, with a certificate that browsers trust. 'syncd check --public URL' plays Redox from outside.
  2. In the dashboard make or open the destination and set, for each environment,
       Endpoint URL           %[2]s
       Verification Token     what 'cat %[3]s' prints, without blanks or line breaks around it
     then choose the method POST and Verify. GET works as well.
  3. Or, with the Platform API, put this into body.json (chmod 600), the token in its place:
       {"endpoint": "%[2]s", "verificationToken": "...", "verificationMethod": "POST"}
     and send it with an access token of your organisation's:
       curl -X POST https://api.redoxengine.com/platform/v1/destinations/DESTINATION-ID/verify \
         -H "Authorization: Bearer $REDOX_PLATFORM_TOKEN" -H 'Content-Type: application/json' -d @body.json
  4. 'syncd status' shows that it was verified; 'syncd watch %[1]s' shows each request as it comes.
  5. The token alone is the basic option. Link an auth credential to the destination as well: docs/redox-auth.md.
`

func (c *cli) tellSetup(name, url, out, fingerprint string) error {
	_, err := fmt.Fprintf(c.Stderr, setupSteps, name, url, out, fingerprint, c.config)
	return err
}
