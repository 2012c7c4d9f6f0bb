package redcap

import (
	"context"
	"fmt"
	"time"

	"syncd/extract"
)

// skewAllowed is how far the server's clock may be off before it is worth a word.
const skewAllowed = 2 * time.Minute

// Check looks at a project as a run would, without reading a record: how the server is reached, who the token is, what
// it may see, how many records there are. It goes on after what can be gone on after.
func (s *Source) Check(ctx context.Context) []extract.Finding {
	var found []extract.Finding
	if _, err := s.token(ctx); err != nil {
		return append(found, failed("token", err))
	}
	structure, err := s.Describe(ctx, extract.Since{})
	found = append(found, s.reached(err)...)
	if err != nil {
		return append(found, failed(blame(err), err))
	}
	id := structure.Identity
	found = append(found,
		extract.Finding{What: "token", OK: true, Detail: "accepted"},
		extract.Finding{What: "project", OK: true, Detail: fmt.Sprintf("project_id %s, %q, REDCap %s", id.ID, id.Title, id.Version)},
		extract.Finding{What: "structure", OK: true, Detail: fmt.Sprintf("%d fields in %d instruments, %d tables",
			len(s.model.fields), len(s.model.instruments), len(structure.Tables))},
	)
	found = append(found, s.rights(structure.Warnings)...)
	if s.cfg.Options.pulls(pullRecords) {
		found = append(found, s.countRecords(ctx))
	}
	return append(found, s.clock())
}

// reached says which way was taken, as far as one was.
func (s *Source) reached(err error) []extract.Finding {
	way, ok := s.cfg.Client.Way()
	if !ok {
		if blame(err) == "reachable" {
			return nil // the failure says it all
		}
		return []extract.Finding{{What: "reachable", Detail: s.cfg.Server + " was not reached"}}
	}
	detail := s.cfg.Server + " at " + way.Remote
	if way.Proxy != "" {
		detail = s.cfg.Server + " through the proxy " + way.Proxy
	}
	found := []extract.Finding{{What: "reachable", OK: true, Detail: detail}}
	if way.TLS == "" {
		return append(found, extract.Finding{What: "tls", OK: true, Detail: "none: loopback"})
	}
	tls := extract.Finding{What: "tls", OK: true, Detail: fmt.Sprintf("%s, certificate of %s by %s, %d days left",
		way.TLS, way.Peer, way.Issuer, way.DaysLeft(s.cfg.Now()))}
	if way.DaysLeft(s.cfg.Now()) < 14 {
		tls.Next = "Tell the server's administrator that the certificate ends soon."
	}
	return append(found, tls)
}

// rights turns what Describe had to leave out into findings.
func (s *Source) rights(warnings []string) []extract.Finding {
	if len(warnings) == 0 {
		return []extract.Finding{{What: "rights", OK: true, Detail: "API export, every instrument that is asked for"}}
	}
	var found []extract.Finding
	for _, w := range warnings {
		found = append(found, extract.Finding{What: "rights", Warning: true, Detail: w, Next: nextRights})
	}
	return found
}

func (s *Source) countRecords(ctx context.Context) extract.Finding {
	list, err := s.listIDs(ctx, listing{where: s.cfg.Options.RecordsWhere})
	if err != nil {
		return failed("records", err)
	}
	f := extract.Finding{What: "records", OK: true, Detail: fmt.Sprintf("%d listed", list.ids.Len())}
	if s.cfg.Options.RecordsWhere != "" {
		f.Detail += " by records_where"
		if list.ids.Len() == 0 {
			f.OK, f.Next = false, "Check records_where: REDCap answers logic that it cannot read with no record at all."
		}
	}
	for reason, n := range list.refused {
		f.OK, f.Detail = false, fmt.Sprintf("%s; %d refused: %s", f.Detail, n, reason)
		f.Next = "Rename these records in REDCap."
	}
	return f
}

func (s *Source) clock() extract.Finding {
	offset, ok := s.cfg.Client.Clock()
	if !ok {
		return extract.Finding{What: "clock", Warning: true, Detail: "the server does not tell its time", Next: "Ask its administrator for a Date header."}
	}
	f := extract.Finding{What: "clock", OK: offset.Abs() <= skewAllowed, Detail: fmt.Sprintf("the server is %s ahead of this machine", offset.Round(time.Second))}
	if !f.OK {
		f.Warning = true
		f.Next = "Set this machine's clock by NTP; if it is right, tell the server's administrator."
	}
	return f
}

// blame names the thing that an error is about.
func blame(err error) string {
	switch extract.KindOf(err) {
	case extract.KindAuth, extract.KindConfig:
		return "token"
	case extract.KindRights:
		return "rights"
	case extract.KindTLS:
		return "tls"
	case extract.KindTransient, extract.KindRedirect, extract.KindRefused, extract.KindGarbled:
		return "reachable"
	}
	return "project"
}

func failed(what string, err error) extract.Finding {
	return extract.Failed(what, err, "Run syncd check again in a minute; if it stays, show this line to the server's administrator.")
}
