package redcap

import "fmt"

// notCompleted is what stands in place of the time of a survey response that was begun only.
const notCompleted = "[not completed]"

// Respond saves a survey response: completed, the form's status becomes 2 and its timestamp the server's time; else
// the timestamp says that it is not completed. identifier is the participant's, or "". The participants that the record
// belongs to show the response.
func (p *Project) Respond(record string, at Place, form, identifier string, values map[string]string, completed bool) error {
	p.mu.RLock()
	f, when := p.form(form), stamp(p.now(), p.zone)
	p.mu.RUnlock()
	if f == nil || !f.Survey {
		return fmt.Errorf("respond to %s: it is no survey", form)
	}
	all := map[string]string{form + "_timestamp": notCompleted, form + "_complete": "0"}
	if completed {
		all[form+"_timestamp"], all[form+"_complete"] = when, "2"
	}
	for name, value := range values {
		all[name] = value
	}
	if err := p.save(record, at, all, saving{noun: "Response ", user: "[survey respondent]"}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered(record, at, f, completed)
	if rec := p.store.get(record); rec != nil && identifier != "" {
		rec = p.editable(rec)
		rec.rows[0].values["redcap_survey_identifier"] = identifier
		p.store.put(rec)
	}
	return nil
}

// Lock locks a form of a record, or unlocks it. No export shows that, and the date range does not see it.
func (p *Project) Lock(record string, at Place, form string, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec, f := p.store.get(record), p.form(form)
	if rec == nil || f == nil {
		return fmt.Errorf("lock form %s of record %s: no such form or record", form, record)
	}
	action := "Unlock Record "
	if on {
		action = "Lock Record "
	}
	p.writeLog(logRow{kind: kindLock, action: action + record, details: at.instance() + "Form: " + f.Label, record: record, dag: rec.dag})
	return nil
}

// ViewPage logs that a user looked at a page; only the log's own filter for page views shows it.
func (p *Project) ViewPage(user, record string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeLog(logRow{kind: kindPage, user: user, action: "Page View", details: "DataEntry/index.php", record: record})
}
