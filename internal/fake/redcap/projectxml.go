package redcap

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"html"
	"strings"
	"time"
)

// xmlDoc is a project XML under construction, shaped as the recorded ones.
type xmlDoc struct {
	bytes.Buffer
	c    *call
	p    *Project
	name string // of the project, without what an OID cannot hold
	now  time.Time
}

// serveProjectXML answers content=project_xml: CDISC ODM with redcap: elements, whatever format was asked for. Of the
// filters, records[] is read.
func (c *call) serveProjectXML() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.has(6, 12, 0) || !c.needs(c.user.Design, designRight) {
		return
	}
	d := &xmlDoc{c: c, p: p, now: c.rq.At.In(p.zone)}
	for _, r := range p.info.Title {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			d.name += string(r)
		}
	}
	d.root()
	d.globals()
	d.metadata()
	if !c.flag("returnMetadataOnly") && !d.data() {
		return
	}
	d.WriteString("</ODM>\n")
	c.w.Header().Set("Content-Type", contentType("xml"))
	c.w.Write(d.Bytes())
}

// esc escapes as the server does.
func esc(s string) string {
	return strings.NewReplacer("&#39;", "&#039;", "&#34;", "&quot;").Replace(html.EscapeString(s))
}

// element writes one element of text.
func (d *xmlDoc) element(indent int, name, value string) {
	fmt.Fprintf(d, "%s<%s>%s</%s>\n", strings.Repeat("\t", indent), name, esc(value), name)
}

// empty writes one element without content. Pairs are attribute, value; with skip, empty values are left out.
func (d *xmlDoc) empty(indent int, name string, pairs ...string) {
	fmt.Fprintf(d, "%s<%s%s/>\n", strings.Repeat("\t", indent), name, attributes(false, pairs))
}

func attributes(skip bool, pairs []string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if !skip || pairs[i+1] != "" {
			fmt.Fprintf(&b, ` %s="%s"`, pairs[i], esc(pairs[i+1]))
		}
	}
	return b.String()
}

func (d *xmlDoc) root() {
	at := d.now.Format("2006-01-02T15:04:05")
	fmt.Fprintf(d, `<?xml version="1.0" encoding="UTF-8" ?>
<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:redcap="https://projectredcap.org" xsi:schemaLocation="http://www.cdisc.org/ns/odm/v1.3 schema/odm/ODM1-3-1.xsd" ODMVersion="1.3.1" FileOID="000-00-0000" FileType="Snapshot" Description="%s" AsOfDateTime="%s" CreationDateTime="%s" SourceSystem="REDCap" SourceSystemVersion="%s">
<Study OID="Project.%s">
`, esc(d.p.info.Title), at, at, d.c.version.text, d.name)
}

// globals are the project's settings and all that hangs on it beside the dictionary.
func (d *xmlDoc) globals() {
	i := &d.p.info
	d.WriteString("<GlobalVariables>\n")
	d.element(1, "StudyName", i.Title)
	d.element(1, "StudyDescription", `This file contains the metadata, events, and data for REDCap project "`+i.Title+`".`)
	d.element(1, "ProtocolName", i.Title)
	for _, x := range [][2]string{
		{"RecordAutonumberingEnabled", bit(i.Autonumbering)},
		{"CustomRecordLabel", i.CustomRecordLabel},
		{"SecondaryUniqueField", i.Secondary},
		{"SecondaryUniqueFieldDisplayValue", "1"},
		{"SecondaryUniqueFieldDisplayLabel", "1"},
		{"SchedulingEnabled", bit(i.Scheduling)},
		{"SurveysEnabled", bit(i.Surveys)},
		{"SurveyInvitationEmailField", ""},
		{"RandomizationEnabled", "0"},
		{"DisplayTodayNowButton", "1"},
		{"PreventBranchingEraseValues", "0"},
		{"RequireChangeReason", "0"},
		{"DataHistoryPopup", "1"},
		{"OrderRecordsByField", ""},
		{"taskCompleteStatus", "0"},
		{"MyCapEnabled", "0"},
		{"Purpose", fmt.Sprint(i.Purpose)},
		{"PurposeOther", ""},
		{"ProjectNotes", i.Notes},
		{"MissingDataCodes", formatCodes(d.p.codes)},
		{"ProtectedEmailMode", "0"},
		{"ProtectedEmailModeCustomText", ""},
		{"ProtectedEmailModeTrigger", "ALL"},
		{"ProtectedEmailModeLogo", ""},
	} {
		d.element(1, "redcap:"+x[0], x[1])
	}
	d.repeats()
	d.group("DataAccessGroups", len(d.p.dags), func(n int) []string { return []string{"group_name", d.p.dags[n].Name} })
	var surveys []*Form
	for _, f := range d.p.forms {
		if f.Survey {
			surveys = append(surveys, f)
		}
	}
	d.group("Surveys", len(surveys), func(n int) []string {
		return []string{
			"form_name", surveys[n].Name, "title", surveys[n].Label, "instructions", "<p>Please complete the survey below.</p>",
			"acknowledgement", "<p>Thank you for taking the survey.</p>", "survey_enabled", "1", "save_and_return", "0",
			"survey_expiration", "", "repeat_survey_enabled", "0", "response_limit", "",
		}
	})
	d.group("UserRoles", len(d.p.roles), func(n int) []string { return d.role(&d.p.roles[n]) })
	d.group("Reports", len(d.p.reports), func(n int) []string { return d.report(n) })
	d.WriteString("</GlobalVariables>\n")
}

// group writes a group of like elements, or nothing where there are none.
func (d *xmlDoc) group(name string, n int, of func(int) []string) {
	if n == 0 {
		return
	}
	fmt.Fprintf(d, "\t<redcap:%sGroup>\n", name)
	for i := range n {
		d.empty(2, "redcap:"+name, of(i)...)
	}
	fmt.Fprintf(d, "\t</redcap:%sGroup>\n", name)
}

func (d *xmlDoc) repeats() {
	if !d.p.repeats() {
		return
	}
	d.WriteString("\t<redcap:RepeatingInstrumentsAndEvents>\n")
	unique := func(e *Event) string {
		if !d.p.info.Longitudinal {
			return "event_1_arm_1" // as recorded of classic projects
		}
		return e.Unique
	}
	open := false
	for _, e := range d.p.shown() {
		for _, key := range e.repeatingPlaced {
			form := d.p.formByKey(key)
			if form == nil {
				continue
			}
			if !open {
				d.WriteString("\t\t<redcap:RepeatingInstruments>\n")
				open = true
			}
			d.empty(3, "redcap:RepeatingInstrument", "redcap:UniqueEventName", unique(e), "redcap:RepeatInstrument", form.Name, "redcap:CustomLabel", e.repeating[key])
		}
	}
	if open {
		d.WriteString("\t\t</redcap:RepeatingInstruments>\n")
	}
	for _, e := range d.p.shown() {
		if e.Repeats {
			d.empty(2, "redcap:RepeatingEvent", "redcap:UniqueEventName", unique(e))
		}
	}
	d.WriteString("\t</redcap:RepeatingInstrumentsAndEvents>\n")
}

// role are the attributes of a role; its rights have the names of the database here.
func (d *xmlDoc) role(r *Role) []string {
	u := r.As
	if u == nil {
		u = &User{}
	}
	var exports, entries strings.Builder
	for _, name := range d.p.formsOf(u) {
		fmt.Fprintf(&exports, "[%s,%d]", name, u.right(name))
		fmt.Fprintf(&entries, "[%s,%d]", name, u.entry(name, d.c.atLeast(15, 6, 0)))
	}
	cells := map[string]string{}
	for _, rc := range rightColumns() {
		cells[rc.name] = rc.cell(d.p, u)
	}
	out := []string{
		"role_name", r.Label, "unique_role_name", r.Unique, "lock_record", cells["lock_records"],
		"lock_record_multiform", cells["lock_records_all_forms"], "lock_record_customize", cells["lock_records_customization"],
		"data_export_tool", "", "data_export_instruments", exports.String(),
	}
	for _, x := range roleAttributes() {
		if x[0] == "data_entry" {
			out = append(out, x[0], entries.String())
		} else {
			out = append(out, x[0], cells[x[1]])
		}
	}
	return append(out, "external_module_config", "")
}

// roleAttributes are names in the XML and in the users method.
func roleAttributes() [][2]string {
	return [][2]string{
		{"data_import_tool", "data_import_tool"},
		{"data_comparison_tool", "data_comparison_tool"},
		{"data_logging", "logging"},
		{"email_logging", "email_logging"},
		{"file_repository", "file_repository"},
		{"user_rights", "user_rights"},
		{"data_access_groups", "data_access_groups"},
		{"graphical", "stats_and_charts"},
		{"reports", "reports"},
		{"design", "design"},
		{"alerts", "alerts"},
		{"calendar", "calendar"},
		{"data_entry", ""},
		{"api_export", "api_export"},
		{"api_import", "api_import"},
		{"api_modules", "api_modules"},
		{"mobile_app", "mobile_app"},
		{"mobile_app_download_data", "mobile_app_download_data"},
		{"record_create", "record_create"},
		{"record_rename", "record_rename"},
		{"record_delete", "record_delete"},
		{"participants", "manage_survey_participants"},
		{"data_quality_design", "data_quality_create"},
		{"data_quality_execute", "data_quality_execute"},
		{"data_quality_resolution", "data_quality_resolution"},
		{"random_setup", "random_setup"},
		{"random_dashboard", "random_dashboard"},
		{"random_perform", "random_perform"},
		{"mycap_participants", "mycap_participants"},
	}
}

// report are the attributes of a report. The recorded XMLs do not have the number that the report method takes: ID is
// a hash.
func (d *xmlDoc) report(n int) []string {
	r := &d.p.reports[n]
	access := "ALL"
	if r.Users != nil {
		access = "SELECTED"
	}
	sum := sha1.Sum([]byte(fmt.Sprint("report ", d.p.info.ID, r.ID)))
	return []string{
		"title", r.Title, "unique_report_name", r.Unique, "report_order", fmt.Sprint(n + 1), "user_access", access,
		"user_edit_access", "ALL", "description", "", "combine_checkbox_values", "0", "output_dags", bit(r.DAGs),
		"output_survey_fields", bit(r.Survey), "output_missing_data_codes", "0", "remove_line_breaks_in_values", "1",
		"orderby_field1", d.p.fields[0].Name, "orderby_sort1", "ASC", "advanced_logic", r.Logic, "filter_type", "EVENT",
		"hash", "", "is_public", "0", "report_display_header", "BOTH", "report_display_data", "BOTH",
		"redcap_reports_fields", strings.Join(r.Fields, ","), "redcap_reports_filter_dags", "",
		"redcap_reports_filter_events", strings.Join(r.Events, ","), "ID", hex.EncodeToString(sum[:]),
	}
}
