package redcap

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"syncd/extract"
)

// snapshot is a project's structure as Describe read it. Pull works on it.
type snapshot struct {
	version      string
	info         map[string]string
	idField      string
	fields       []field
	instruments  []instrument
	arms         []arm
	events       []event
	designations []designation
	repeating    []repeat
	repeatsKnown bool
	exports      []exportName // nil where the server does not tell
	groups       []group
	groupsKnown  bool
	groupColumn  groupColumn
	bound        bool // the token's user is in a data access group and sees no other
	missing      []choice
	design       *design // what the project XML tells; nil where it may not be read
	longitudinal bool
	some         []string // the instruments that are asked for by this reading; nil: those of the options
	header       []string // of a record export; nil where the server shows none
	endless      bool     // the server's CSV does not end with a line end
	warnings     []string
	accessEnds   time.Time // by the server's wall clock: the beginning of the day; zero where it is not known
}

// groupColumn says what is known of redcap_data_access_group.
type groupColumn uint8

const (
	groupNone    groupColumn = iota // the project has no groups: the column is NULL
	groupAsked                      // it is asked for
	groupRefused                    // not pulled, or the right is missing: stored values are left as they are
)

// steps are the structural calls after version and project, in their order.
func (s *Source) steps() []func(context.Context, *snapshot) error {
	return []func(context.Context, *snapshot) error{
		s.readDictionary, s.readInstruments, s.readExportNames,
		s.readEvents, s.readRepeating, s.readProjectXML, s.readGroups, s.readHeader,
	}
}

var versionShape = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

func (s *Source) readVersion(ctx context.Context, p *snapshot) error {
	q := question{what: "export version", resource: "version", content: "version", format: "text"}
	a, err := s.inquire(ctx, q.content, q)
	if err != nil {
		return err
	}
	p.version = strings.Trim(strings.TrimSpace(string(a.body)), `"`)
	if !versionShape.MatchString(p.version) {
		return s.explain(q, errorText(a.body, errWrongAnswer))
	}
	return nil
}

// atLeast compares the server's version.
func (p *snapshot) atLeast(want ...int) bool {
	have := strings.Split(p.version, ".")
	for i, w := range want {
		if i >= len(have) {
			return false
		}
		if n, _ := strconv.Atoi(have[i]); n != w {
			return n > w
		}
	}
	return true
}

// blankForGray reports whether the server tells a form that was never opened from an incomplete one
// (exportBlankForGrayFormStatus, 12.4). Older ones say 0 for both; there a status of 0 proves nothing.
func (p *snapshot) blankForGray() bool { return p.atLeast(12, 4) }

func (s *Source) readProject(ctx context.Context, p *snapshot) error {
	q := question{what: "export project", resource: "project", content: "project"}
	a, err := s.inquire(ctx, q.content, q)
	if err != nil {
		return err
	}
	if p.info, err = oneObject(a.body); err != nil {
		return s.explain(q, s.notData(a.body, err))
	}
	if p.info["project_id"] == "" {
		return s.explain(q, errorText(a.body, errWrongAnswer))
	}
	p.longitudinal = p.info["is_longitudinal"] == "1"
	p.missing = parseMissingCodes(p.info["missing_data_codes"])
	return nil
}

func (s *Source) readDictionary(ctx context.Context, p *snapshot) error {
	known := map[string]bool{}
	err := s.objects(ctx, "metadata", func(o map[string]string) error {
		var f field
		for i, name := range attributes {
			f.text[i] = o[name]
		}
		if f.name() == "" || known[f.name()] {
			return errors.New("a field without a name of its own")
		}
		known[f.name()] = true
		p.fields = append(p.fields, f)
		return nil
	}, "field_name")
	if err != nil {
		return err
	}
	if len(p.fields) == 0 {
		return &extract.Error{
			Kind: extract.KindGarbled, What: "export metadata", Where: s.cfg.Server, Cause: errors.New("the dictionary has no field"),
		}
	}
	p.idField = p.fields[0].name()
	return nil
}

// readInstruments lists the forms in project order, and those that only the dictionary knows after them.
func (s *Source) readInstruments(ctx context.Context, p *snapshot) error {
	known := map[string]bool{}
	add := func(name, label string) {
		if name != "" && !known[name] {
			known[name] = true
			p.instruments = append(p.instruments, instrument{name, label})
		}
	}
	err := s.objects(ctx, "instrument", func(o map[string]string) error {
		add(o["instrument_name"], o["instrument_label"])
		return nil
	}, "instrument_name")
	if err == nil && len(p.instruments) == 0 {
		err = s.emptyList("instrument")
	}
	for i := range p.fields {
		add(p.fields[i].form(), "")
	}
	return err
}

// emptyList is the error of a list that no project can have empty.
func (s *Source) emptyList(content string) error {
	return &extract.Error{
		Kind: extract.KindGarbled, What: "export " + content, Where: s.cfg.Server, Cause: errors.New("an empty list came, and every project has one"),
	}
}

// readExportNames asks for the server's own spelling of checkbox columns. Old servers do not have the method.
func (s *Source) readExportNames(ctx context.Context, p *snapshot) error {
	err := s.objects(ctx, "exportFieldNames", func(o map[string]string) error {
		p.exports = append(p.exports, exportName{o["original_field_name"], o["choice_value"], o["export_field_name"]})
		return nil
	}, "original_field_name")
	if errors.Is(err, errContent) {
		p.warn("the server does not list its export columns; names of checkbox columns follow REDCap's rule")
		return nil
	}
	return err
}

func (s *Source) readEvents(ctx context.Context, p *snapshot) error {
	if !p.longitudinal {
		return nil
	}
	err := s.objects(ctx, "arm", func(o map[string]string) error {
		p.arms = append(p.arms, arm{o["arm_num"], o["name"]})
		return nil
	}, "arm_num")
	if err == nil {
		err = s.objects(ctx, "event", func(o map[string]string) error {
			offset := o["day_offset"]
			if offset == "" {
				offset = o["days_offset"]
			}
			p.events = append(p.events, event{
				unique: o["unique_event_name"], name: o["event_name"], arm: o["arm_num"], customLabel: o["custom_event_label"],
				id: o["event_id"], dayOffset: offset, offsetMin: o["offset_min"], offsetMax: o["offset_max"],
			})
			return nil
		}, "unique_event_name")
	}
	if err == nil {
		err = s.objects(ctx, "formEventMapping", func(o map[string]string) error {
			p.designations = append(p.designations, designation{o["arm_num"], o["unique_event_name"], o["form"]})
			return nil
		}, "form")
	}
	if err == nil && (len(p.arms) == 0 || len(p.events) == 0) {
		return s.emptyList("event")
	}
	if errors.Is(err, errClassic) { // project info and method do not agree: the project became classic just now
		return &extract.Error{Kind: extract.KindDrift, What: "export events", Where: s.cfg.Server, Cause: errClassic}
	}
	return err
}

// readRepeating asks which forms and events repeat. Without the right the rows tell, as far as there are any.
func (s *Source) readRepeating(ctx context.Context, p *snapshot) error {
	p.repeatsKnown = true
	if told, ok := p.info["has_repeating_instruments_or_events"]; ok && told == "0" {
		return nil
	}
	err := s.objects(ctx, "repeatingFormsEvents", func(o map[string]string) error {
		p.repeating = append(p.repeating, repeat{o["event_name"], o["form_name"], o["custom_form_label"]})
		return nil
	}, "form_name", "event_name")
	switch {
	case errors.Is(err, errNoRepeats):
		return nil
	case errors.Is(err, errContent) && !p.atLeast(8, 10):
		p.repeatsKnown = false
		return nil
	case extract.KindOf(err) == extract.KindRights && err != nil, errors.Is(err, errContent):
		p.repeatsKnown = false
		p.warn("the list of repeating instruments was refused (it needs the Project Design and Setup right); repeats are taken from the records")
		return nil
	}
	return err
}

const onlyGroupSeen = "the token's user is in a data access group: only that group's records are seen, and groups are not read"

func (s *Source) readGroups(ctx context.Context, p *snapshot) error {
	// Asked for also where groups are not pulled: no other answer tells that the user sees only a part of the project.
	err := s.objects(ctx, "dag", func(o map[string]string) error {
		p.groups = append(p.groups, group{o["unique_group_name"], o["data_access_group_name"], o["data_access_group_id"]})
		return nil
	}, "unique_group_name")
	p.bound = errors.Is(err, errBoundUser)
	pulled := s.cfg.Options.pulls(pullGroups)
	switch {
	case !pulled && (err == nil || p.bound || extract.KindOf(err) == extract.KindRights || errors.Is(err, errContent)):
		p.groupColumn, p.groups = groupRefused, nil
		if p.bound {
			p.warn(onlyGroupSeen)
		}
	case err == nil:
		p.groupsKnown, p.groupColumn = true, groupAsked // that there are none is believed when the export has no column of them
	case p.bound:
		p.groupColumn = groupRefused
		p.warn(onlyGroupSeen)
	case extract.KindOf(err) == extract.KindRights, errors.Is(err, errContent):
		p.groupColumn = groupRefused
		p.warn("data access groups were refused (the Data Access Groups right is missing); the column is left as stored")
	default:
		return err
	}
	return nil
}
