package redcap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
)

// participants pulls the participant lists of surveys, one for each survey in each event (reference 3.15). Links, access
// codes and return codes are credentials of respondents: they are dropped where they are read.
type participants struct {
	table *extract.Table
	lists []participantList
	held  bool
	first []metaRow // of the first list, which tells whether they may be read
}

// participantList names a list: a survey and, in a longitudinal project, an event.
type participantList struct{ form, event string }

const participantRight = "Survey Distribution Tools"

func newParticipants(p *snapshot) *participants {
	x := &participants{table: participantTable()}
	for _, form := range p.surveys() {
		if !p.longitudinal {
			x.lists = append(x.lists, participantList{form: form})
			continue
		}
		for _, d := range p.designations {
			if d.form == form {
				x.lists = append(x.lists, participantList{form, d.event})
			}
		}
	}
	return x
}

// participantTable describes redcap_survey_participant. The list has no key of its own that is not a credential: a
// participant is told from others by what stays when a response comes in, which is the address and its occurrence, or
// without an address the record, or the identifier; equals by their order. The three may be long, so the key is a hash.
func participantTable() *extract.Table {
	t := metaTableOf("redcap_survey_participant", "Participant lists of surveys, without links, access codes and return codes",
		metaColumn{"*instrument", txt}, metaColumn{"*unique_event_name", txt}, metaColumn{"*participant", txt},
		metaColumn{"email", txt}, metaColumn{"email_occurrence", num}, metaColumn{"identifier", txt}, metaColumn{"record", txt},
		metaColumn{"invitation_sent_status", num}, metaColumn{"invitation_send_time", tim}, metaColumn{"response_status", num})
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.Name {
		case "participant":
			c.Comment = "Tells participants of a list apart: hash of address and occurrence, else of record, else of identifier"
		case "unique_event_name":
			c.Comment = "Empty in a classic project"
		case "email", "identifier":
			c.Identifier = true
		case "response_status":
			c.Comment = "0 none, 1 partial, 2 complete"
		}
	}
	t.Indexes = [][]string{{"record"}}
	return t
}

func (x *participants) tables() []*extract.Table { return []*extract.Table{x.table} }

func (x *participants) describe(ctx context.Context, s *Source, p *snapshot) error {
	if len(x.lists) == 0 {
		if p.design == nil && p.header == nil && p.info["surveys_enabled"] != "0" {
			x.held = true
			p.warn("%s was not read: which instruments are surveys is not known; it is left as stored", x.table.Name)
		}
		return nil
	}
	rows, err := x.read(ctx, s, x.lists[0])
	switch {
	case err == nil:
		x.first = rows
	case errors.Is(err, errNoRight), errors.Is(err, errContent), extract.KindOf(err) == extract.KindRights && refused(err):
		x.held = true
		p.warn("%s was not read: %s; it is left as stored", x.table.Name, why(err, participantRight))
	case !refused(err):
		return err
	}
	return nil
}

// read asks for one list.
func (x *participants) read(ctx context.Context, s *Source, l participantList) ([]metaRow, error) {
	q := question{
		what: "export participants", resource: "participantList", content: "participantList",
		extra: func(b *params) {
			b.add("instrument", l.form)
			if l.event != "" {
				b.add("event", l.event)
			}
		},
	}
	var rows []metaRow
	barred := int64(0)
	seen := map[string]int{}
	a, err := s.ask(ctx, q, nil)
	if err != nil {
		return nil, err
	}
	err = eachObject(a.body, func(o map[string]string) error {
		_, hasEmail := o["email"]
		_, hasStatus := o["response_status"]
		if !hasEmail && !hasStatus {
			return errors.New("an entry that is no participant")
		}
		for name := range o {
			if isCredential(name) {
				delete(o, name)
			}
		}
		if s.blocked.Any() && o["record"] != "" && s.blocked.Has(extract.PersonRecord, o["record"]) {
			barred++
			return nil
		}
		o["instrument"], o["unique_event_name"] = l.form, l.event
		who := participantOf(o)
		seen[who]++
		o["participant"] = hashOf(who, seen[who])
		rows = append(rows, take(x.table, o))
		return nil
	})
	if err != nil {
		return nil, s.explain(q, s.notData(a.body, err))
	}
	s.barred.add(x.table, barred)
	return rows, nil
}

// isCredential reports whether a column lets somebody act as the participant. Newer servers may have others than the two
// that are known: what sounds like one is taken for one.
func isCredential(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"link", "code", "hash", "url", "token"}, func(part string) bool { return strings.Contains(name, part) })
}

func participantOf(o map[string]string) string {
	switch {
	case o["email"] != "":
		return "email\x00" + strings.ToLower(o["email"]) + "\x00" + o["email_occurrence"]
	case o["record"] != "":
		return "record\x00" + o["record"]
	}
	return "identifier\x00" + o["identifier"]
}

func hashOf(who string, ordinal int) string {
	sum := sha256.Sum256([]byte(who + "\x00" + strconv.Itoa(ordinal)))
	return hex.EncodeToString(sum[:16])
}

// give hands on all lists as the whole truth about the table; where some could not be read, about the others.
func (x *participants) give(ctx context.Context, s *Source, hand *extract.Handoff, _ news) error {
	if x.held {
		return nil
	}
	var rows []metaRow
	var keys [][]string
	missed := 0
	for i, l := range x.lists {
		list, err := x.first, error(nil)
		if i > 0 || list == nil {
			list, err = x.read(ctx, s, l)
		}
		if err != nil && !refused(err) {
			return err
		}
		if err != nil {
			missed++
			continue
		}
		rows = append(rows, list...)
		keys = append(keys, []string{l.form, l.event})
	}
	b := wholeTable(x.table, rows, "gone from the participant lists")
	if missed > 0 {
		b.Scope.Width, b.Scope.Keys = 2, keys
		s.said = append(s.said, "participants of "+strconv.Itoa(missed)+" of "+strconv.Itoa(len(x.lists))+" surveys were refused; they are left as stored")
	}
	if missed > 0 && len(keys) == 0 {
		return nil
	}
	return hand.Give(b)
}
