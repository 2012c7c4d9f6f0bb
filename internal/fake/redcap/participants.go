package redcap

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Participant is one entry of a survey's participant list.
type Participant struct {
	Email, Identifier string
	Record            string    // "" until a response made one
	Sent              time.Time // of the invitation; zero: none was sent
	Response          int       // 0 none, 1 partial, 2 complete

	form  string // key
	event int
}

// AddParticipant puts somebody on the participant list of a survey in an event ("" in classic projects).
func (p *Project) AddParticipant(form, event string, who Participant) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, e := p.form(form), p.eventAt(Place{Event: event})
	if f == nil || !f.Survey || e == nil {
		return fmt.Errorf("add participant of %s in event %q: no such survey or event", form, event)
	}
	who.form, who.event = f.key, e.ID
	p.people = append(p.people, who)
	p.writeLog(logRow{kind: kindManage, action: "Manage/Design ", details: "Add survey participant"})
	return nil
}

// answered notes a response at the participants that a record belongs to.
func (p *Project) answered(record string, at Place, f *Form, completed bool) {
	e := p.eventAt(at)
	for i := range p.people {
		if who := &p.people[i]; who.Record == record && who.form == f.key && e != nil && who.event == e.ID {
			who.Response = 1
			if completed {
				who.Response = 2
			}
		}
	}
}

// serveParticipants answers content=participantList. Access codes and links are credentials; they are made up here so
// that a test can look for them where they must not be.
func (c *call) serveParticipants() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.needs(c.user.SurveyTools, surveyRight) {
		return
	}
	f, e := p.form(c.param("instrument")), p.events[0]
	switch {
	case f == nil:
		c.refuse("instrument", []string{c.param("instrument")})
		return
	case !f.Survey:
		c.fail(http.StatusBadRequest, "The instrument '"+f.Name+"' is not enabled as a survey")
		return
	}
	if p.info.Longitudinal {
		if e = p.event(c.param("event")); e == nil || !p.has(e, f) {
			c.refuse("event", []string{c.param("event")})
			return
		}
	}
	t := &table{numbers: map[string]bool{"email_occurrence": true, "invitation_sent_status": true, "response_status": true}}
	for _, name := range []string{
		"email", "email_occurrence", "identifier", "record", "invitation_sent_status", "invitation_send_time",
		"response_status", "survey_access_code", "survey_link",
	} {
		if name != "record" || c.atLeast(13, 0, 0) {
			t.columns = append(t.columns, name)
		}
	}
	times := map[string]int{}
	for i, who := range p.people {
		if who.form != f.key || who.event != e.ID {
			continue
		}
		times[who.Email]++
		code, link := credentials(p.info.ID, i)
		cells := []string{who.Email, strconv.Itoa(times[who.Email]), who.Identifier}
		if len(t.columns) == 9 {
			cells = append(cells, who.Record)
		}
		t.rows = append(t.rows, append(cells, bit(!who.Sent.IsZero()), stamp(who.Sent, p.zone), strconv.Itoa(who.Response), code, link))
	}
	c.reply(t)
}

// credentials are a participant's access code and link.
func credentials(project, n int) (code, link string) {
	sum := sha256.Sum256([]byte(fmt.Sprint("participant ", project, n)))
	return base32.StdEncoding.EncodeToString(sum[:])[:9], "https://redcap.example.edu/surveys/?s=" + hex.EncodeToString(sum[16:24])
}
