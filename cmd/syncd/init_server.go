package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/extract/upstream"
	"syncd/schedule"
)

// askServer asks where REDCap is and finds its API. Nothing secret is sent meanwhile, and no redirect is followed.
func (s *setup) askServer(ctx context.Context) error {
	for {
		pasted, err := s.ask.ask(question{
			flag: "--url", given: s.url, prompt: "REDCap", why: "REDCap's address, as it stands in your browser.",
			check: func(answer string) error { _, err := redcap.Addresses(answer); return err },
		})
		if err != nil {
			return err
		}
		err = s.findServer(ctx, pasted)
		if err == nil || ctx.Err() != nil || s.ask.terminal == nil {
			return err
		}
		s.complain(err)
		s.url = ""
	}
}

// findServer tries the addresses at which an API may be. A server whose authority is not known is tried again with the
// authority's certificate; there is no way without.
func (s *setup) findServer(ctx context.Context, pasted string) error {
	for {
		err := s.tryAddresses(ctx, pasted)
		var unknown *upstream.Untrusted
		if !errors.As(err, &unknown) || ctx.Err() != nil {
			return err
		}
		tellUntrusted(s.Stderr, unknown, s.caFile)
		if s.caFile != "" && s.ask.terminal == nil {
			return err
		}
		s.caFile, err = s.ask.ask(question{
			flag: "--ca-file", prompt: "PEM file of that authority", check: readable,
			why: "Compare the fingerprint with what REDCap's administrator tells you, and ask there for the certificate of the authority as a PEM file.",
		})
		if err != nil {
			return err
		}
	}
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	return f.Close()
}

func (s *setup) tryAddresses(ctx context.Context, pasted string) error {
	addresses, err := redcap.Addresses(pasted)
	if err != nil {
		return err
	}
	var tried []string
	for _, at := range addresses {
		if s.client, err = s.clientAt(at); err != nil {
			return err
		}
		err = redcap.Answers(ctx, s.client)
		switch kind := extract.KindOf(err); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			s.api = at
			fmt.Fprintf(s.Stderr, "  REDCap's API answers at %s\n", at)
			return nil
		case kind == extract.KindRefused, kind == extract.KindRedirect, kind == extract.KindGarbled:
			tried = append(tried, at)
			continue
		case kind == extract.KindTransient && s.ask.terminal == nil && pasted == at:
			s.api = at // the whole address was given, and its server is away: the check will say so
			return nil
		}
		return err
	}
	return &extract.Error{
		Kind: extract.KindConfig, What: "find REDCap", Cause: fmt.Errorf("its API does not answer at %s", strings.Join(tried, ", nor at ")),
		Next: "open a project in REDCap and choose API in the menu on the left: the address of the API stands on that page",
	}
}

func (s *setup) clientAt(at string) (*upstream.Client, error) {
	client, err := upstream.New(upstream.Config{CAFile: s.caFile}, upstream.Endpoint{
		Name: firstSource, URL: at, Version: version, Budget: upstream.PerMinute(firstBudget), Tries: 1, Wait: s.wait, Log: s.log, Judge: redcap.Judge,
	})
	if err != nil {
		return nil, misconfigured("reach "+firstSource, err)
	}
	return client, nil
}

// firstBudget is how many requests a minute init itself sends at most.
const firstBudget = 600

// tellUntrusted shows what a server presented.
func tellUntrusted(out interface{ Write([]byte) (int, error) }, u *upstream.Untrusted, tried string) {
	if tried != "" {
		fmt.Fprintf(out, "  %s does not hold the authority that signed what the server presents:\n", tried)
	} else {
		fmt.Fprint(out, "  the server's certificate is signed by an authority that this machine does not know. It presents:\n")
	}
	for _, cert := range u.Presented {
		fmt.Fprintf(out, "    %s\n      issued by %s, valid until %s\n      SHA-256 %s\n", cert.Subject, cert.Issuer, cert.NotAfter.Format(time.DateOnly), cert.SHA256)
	}
}

// surveyLine tells of a project in one line.
func surveyLine(v *redcap.Survey) string {
	return fmt.Sprintf("project %s, %q, REDCap %s: %s, %s, %s", v.Identity.ID, v.Identity.Title, v.Identity.Version,
		counted(int64(v.Records), "record"), counted(int64(v.Instruments), "instrument"), counted(int64(v.Fields), "field"))
}

// text is the jobs.toml of the answers.
func (s *setup) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by syncd init. Every key is explained in docs/jobs.md; `syncd config %s` prints what holds for the job and why.\n", s.name)
	line("timezone = %q   # of schedules and of REDCap's own clock; this is this machine's", localZone())
	if s.db == "" {
		line("data_dir = \"syncd-data\"")
	}
	line("\n[postgres]")
	if s.db == "" {
		line("private = true   # a Postgres of syncd's own in data_dir; put url = \"env:DATABASE_URL\" here in its place for one of yours")
	} else {
		line("url = %q", s.db)
	}
	line("\n[%s]", firstSource)
	line("url = %q", s.api)
	if s.caFile != "" {
		line("ca_file = %q", strings.TrimPrefix(referTo(s.folder, s.caFile), "file:"))
	}
	if onLoopback(s.api) {
		line("requests_per_minute = 0   # no limit: it is on this machine")
	} else {
		line("# requests_per_minute = 60                # of all its jobs together; tell REDCap's administrator (syncd usage %s)", firstSource)
		line("# contact = \"you@example.edu\"             # whom the administrator asks; sent with each request")
	}
	line("\n[%s.defaults]", firstSource)
	line("# schedule = \"15 2 * * *\"                 # when `syncd serve` runs the jobs: every night at a quarter past two")
	line("\n[job.%s]%s", s.name, comment(s.title))
	line("source = %q", firstSource)
	line("token = %q", s.tokenAt)
	return b.String()
}

// comment is a project's title behind a line of TOML.
func comment(title string) string {
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xFFFD }), " ")
	if title == "" {
		return ""
	}
	return "   # " + title
}

func onLoopback(at string) bool {
	u, err := url.Parse(at)
	return err == nil && u.Scheme == "http" // Addresses leaves http to this machine alone
}

// localZone is the name of this machine's time zone; UTC where it has none that is known elsewhere.
func localZone() string {
	name := os.Getenv("TZ")
	if name == "" {
		if target, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
			_, name, _ = strings.Cut(target, "zoneinfo/")
		}
	}
	name = strings.TrimPrefix(name, ":")
	if _, err := schedule.Zone(name); err != nil || name == "" {
		return "UTC"
	}
	return name
}
