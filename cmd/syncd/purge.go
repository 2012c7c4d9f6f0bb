package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/extract/redox"
	"syncd/internal/config"
	"syncd/load"
)

// purging is what the flags of `syncd purge` say.
type purging struct {
	subject, from, certificate string
	dryRun, yes                bool
	patients                   int
}

// purgeAgain is how often a run that is in the way is looked at.
const purgeAgain = time.Second

// purgeCommand erases one person.
func (c *cli) purgeCommand() *cobra.Command {
	var o purging
	cmd := &cobra.Command{
		Use:   "purge --subject JOB:RECORD | RECEIVER:IDTYPE:ID",
		Short: "erase one person from everything that syncd keeps, for good, and keep the person out",
		Long: "Deletes everything that is about one person in one transaction: tables, moved-out rows, history, rejects, log rows, earlier names,\n" +
			"files that nobody else refers to, payloads. The person is not loaded again, whatever the source sends, and a journal outside the\n" +
			"database lets a restored backup be purged again. What went is certified without naming the person.\n" +
			"--subject - reads the subject from standard input, so that it stands in no list of processes and no history of a shell.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.purge(o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.subject, "subject", "", "whom: JOB:RECORD, RECEIVER:IDTYPE:ID, or - to read that from standard input (required)")
	flags.StringVar(&o.from, "sender", "", "of a receiver: the sending system (source id) that the identifier is of, or all")
	flags.StringVar(&o.certificate, "certificate", "", "file to write the certificate to (default purge-TIME.json in the folder of the journal)")
	flags.IntVar(&o.patients, "patients", 0, "of a receiver: how many patients the person may turn out to be (default 10)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print how many rows of which tables would go, and change nothing")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	return cmd
}

func (c *cli) purge(o purging) error {
	ask := c.dialog(c.ctx, o.yes)
	if o.subject == "-" {
		line, err := ask.read(true)
		if err != nil && line == "" {
			return usage("--subject -: nothing came from standard input")
		}
		o.subject = strings.TrimRight(line, "\r\n")
	}
	name, rest, ok := strings.Cut(o.subject, ":")
	if !ok || name == "" || rest == "" {
		return usage("say whom: --subject JOB:RECORD, or --subject RECEIVER:IDTYPE:ID")
	}
	return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
		key, err := purgeKey(c.ctx, cfg)
		if err != nil {
			return err
		}
		p := &purger{cli: c, cfg: cfg, w: w, key: key, purging: o}
		do, err := p.subjectOf(name, rest)
		if err != nil {
			return err
		}
		counted, err := p.run(do, true)
		if err != nil {
			return err
		}
		if counted.Rows == 0 {
			return load.Nothing(name)
		}
		if o.dryRun {
			return p.tell(c.Stdout, "would be deleted", counted)
		}
		if !o.yes {
			if err := p.tell(c.Stderr, "will be deleted, for good", counted); err != nil {
				return err
			}
			if sure, err := ask.agree("delete it"); err != nil || !sure {
				return errors.Join(err, &exitError{exitRefused, errors.New("nothing was deleted")})
			}
		}
		done, err := p.run(do, false)
		if err != nil {
			return err
		}
		if err := p.tell(c.Stdout, "deleted", done); err != nil {
			return err
		}
		return p.certify(done)
	})
}

// purgeKey reads the secret by whose hashes people who were purged are known again. Without it, or without a journal, nobody is purged.
func purgeKey(ctx context.Context, cfg *config.Config) ([]byte, error) {
	if cfg.Purge.Key.IsZero() || cfg.Purge.Journal == "" {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "purge", Cause: errors.New("jobs.toml does not say by what a purged person is known again, and where purges are written down"),
			Next: "add to jobs.toml: [purge] key = \"file:PATH\" (openssl rand -hex 32 makes one) and journal = \"PATH\", a file outside of the database and its backups",
		}
	}
	return readPurgeKey(ctx, cfg.Purge.Key)
}

// purger carries out purges.
type purger struct {
	*cli
	purging
	cfg *config.Config
	w   *load.Warehouse
	key []byte
}

// purgeDo is one way to purge.
type purgeDo func(context.Context, load.Purge) (*load.Purged, error)

// subjectOf finds out who is meant, and how such a person is purged.
func (p *purger) subjectOf(name, rest string) (purgeDo, error) {
	if p.cfg.KeptBy(name).Held {
		return nil, &extract.Error{
			Kind: extract.KindHeld, What: "purge", Where: name, Cause: errors.New("legal_hold = true: nothing of it may be removed"),
			Next: "when the hold is lifted, take legal_hold out of its block and purge then",
		}
	}
	if r := p.cfg.Receivers[name]; r != nil {
		return p.patient(r, rest)
	}
	j, err := p.cfg.Job(name)
	if err != nil {
		return p.retired(name, rest, err)
	}
	if j.Campus != nil {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "purge", Where: name, Cause: errors.New("people of a campus are deleted at Engage, whose lists tell of it"),
			Next: "have the person deleted at the campus; then syncd sync " + name + " --full moves the rows out, and deleted_retention lets go of them",
		}
	}
	return p.record(name, j.Schema, []string{rest}), nil
}

// retired finds a job or receiver that is not in jobs.toml any more, and whose tables are still there.
func (p *purger) retired(name, rest string, unknown error) (purgeDo, error) {
	known, err := p.w.Jobs(p.ctx)
	if err != nil {
		return nil, err
	}
	for _, j := range known {
		switch {
		case j.Job != name:
		case isProject(j):
			return p.record(name, j.Schema, []string{rest}), nil
		case isReceiver(j):
			return p.patient(&config.Receiver{Name: name, Schema: j.Schema}, rest)
		}
	}
	return nil, &exitError{exitUsage, unknown}
}

// isProject and isReceiver tell what a job of the ledger is; the test traffic of a receiver is not one by itself.
func isProject(j load.Job) bool { return strings.HasPrefix(j.Source, "redcap.") }

func isReceiver(j load.Job) bool {
	return strings.HasPrefix(j.Source, "redox.") && !strings.HasSuffix(j.Job, testEnding)
}

// record purges a record under all of its names.
func (p *purger) record(name, schema string, records []string) purgeDo {
	return func(ctx context.Context, o load.Purge) (*load.Purged, error) {
		at, err := p.w.SchemaOf(ctx, name, schema)
		if err != nil {
			return nil, err
		}
		o.Job, o.Schema = name, at
		return p.w.PurgeRecord(ctx, o, records, redcap.Persons)
	}
}

// patient purges a patient by all of the identifiers that lead to the person. The same identifier of two senders may be two people.
func (p *purger) patient(r *config.Receiver, subject string) (purgeDo, error) {
	feed, schema, err := p.feed(r)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(strings.TrimRight(subject, ":"), ":") {
		return nil, usage("--subject %s:IDTYPE:ID: the type of the identifier, such as MR, then the identifier", r.Name)
	}
	var kind, id string
	var senders []string
	for at := strings.LastIndexByte(subject, ':'); at > 0 && len(senders) == 0; at = strings.LastIndexByte(subject[:at], ':') { // a type may be an address
		if kind, id = subject[:at], subject[at+1:]; id == "" {
			continue
		}
		if senders, err = p.w.Senders(p.ctx, kind, id, feed); err != nil {
			return nil, err
		}
	}
	var ids []extract.PatientID
	for _, s := range senders {
		if p.from == "" || p.from == "all" || p.from == s {
			ids = append(ids, extract.PatientID{Source: s, Type: kind, ID: id})
		}
	}
	switch {
	case len(ids) == 0:
		return nil, load.Nothing(r.Name)
	case len(ids) > 1 && p.from == "":
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "purge", Where: r.Name,
			Cause: fmt.Errorf("%d sending systems have this identifier, and it may be another person's in each: %s", len(senders), strings.Join(senders, ", ")),
			Next:  "say whose: --sender ID; or, if it is the same person in all of them, --sender all",
		}
	}
	return p.patientBy(r.Name, schema, ids, feed), nil
}

func (p *purger) patientBy(name, schema string, ids []extract.PatientID, feed load.Feed) purgeDo {
	return func(ctx context.Context, o load.Purge) (*load.Purged, error) {
		o.Job, o.Schema, o.Most = name, schema, p.patients
		return p.w.PurgePatient(ctx, o, ids, feed)
	}
}

// feed describes what a receiver keeps.
func (p *purger) feed(r *config.Receiver) (load.Feed, string, error) {
	people := redox.NewPeople()
	feed := load.Feed{Things: redox.PersonThings(), People: people.Of}
	schema, err := p.w.SchemaOf(p.ctx, r.Name, r.Schema)
	if err != nil {
		return feed, "", err
	}
	for _, s := range streamsOf(r) {
		at, err := p.w.SchemaOf(p.ctx, s.name, s.schema)
		if err != nil {
			return feed, "", err
		}
		feed.Streams = append(feed.Streams, load.FeedStream{Job: s.name, Schema: at, Test: s.test})
	}
	return feed, schema, nil
}

// run purges, or counts. A run of the job that is at work is waited for.
func (p *purger) run(do purgeDo, dry bool) (*load.Purged, error) {
	o := load.Purge{Actor: actor(), Key: p.key, DryRun: dry}
	if !dry {
		o.Keep = func(e load.PurgeEntry) error { return keepJournal(p.cfg.Purge.Journal, e) }
	}
	for told := false; ; told = true {
		done, err := do(p.ctx, o)
		var busy *load.BusyError
		if !errors.As(err, &busy) {
			return done, err
		}
		if !told {
			fmt.Fprintf(p.Stderr, "run %d of %s is at work: waiting until it has ended (syncd cancel %d ends it)\n", busy.RunID, busy.Job, busy.RunID)
		}
		select {
		case <-p.ctx.Done():
			return nil, errInterrupted
		case <-time.After(purgeAgain):
		}
	}
}

// tell prints what goes or went, in counts.
func (p *purger) tell(out io.Writer, what string, d *load.Purged) error {
	g := &grid{head: []string{"table", "rows"}, value: d}
	for _, t := range d.Tables {
		g.add(t.Schema+"."+t.Table, count(t.Rows))
	}
	if err := g.print(out, "table"); err != nil {
		return err
	}
	for _, note := range d.Notes {
		fmt.Fprintln(out, "note: "+note)
	}
	_, err := fmt.Fprintf(out, "%s: %s rows of %d tables; names of the person: %d\n", what, count(d.Rows), len(d.Tables), len(d.Hashes))
	return err
}

// certify writes the certificate: what, when, by whom, and nothing by which the person could be known without the key.
func (p *purger) certify(d *load.Purged) error {
	path := p.certificate
	if path == "" {
		path = filepath.Join(filepath.Dir(p.cfg.Purge.Journal), "purge-"+d.At.UTC().Format("20060102T150405.000000Z")+".json")
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err == nil {
		err = writeSynced(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, append(text, '\n'))
	}
	if err != nil {
		return &extract.Error{
			Kind: extract.KindConfig, What: "write certificate", Where: path, Cause: err,
			Next: "the person is purged; what is certified stands in syncd.audit as well",
		}
	}
	_, err = fmt.Fprintf(p.Stdout, "certificate: %s\n", path)
	return err
}
