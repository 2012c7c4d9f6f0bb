package redcap

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// surveyed makes a project with participants of two surveys.
func surveyed(t testing.TB, kind fake.SpecKind) *fake.Project {
	t.Helper()
	p := fake.Synthetic(fake.Spec{Kind: kind, Records: 4, Fields: 12, Forms: 3, Surveys: true})
	event := ""
	if kind == fake.Longitudinal {
		event = "enrollment_arm_1"
	}
	sent := time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC)
	for _, who := range []fake.Participant{
		{Email: "a@example.edu", Identifier: "Ann"},
		{Email: "a@example.edu", Sent: sent},
		{Email: "b@example.edu", Record: "2", Sent: sent, Response: 2},
		{Record: "3", Response: 1},
		{Identifier: "nobody"},
		{Identifier: "nobody"},
	} {
		if err := p.AddParticipant("form_1", event, who); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestParticipantsAreStoredCellByCell(t *testing.T) {
	t.Parallel()
	for _, kind := range []fake.SpecKind{fake.Classic, fake.Longitudinal} {
		p := surveyed(t, kind)
		event := map[fake.SpecKind]string{fake.Longitudinal: "enrollment_arm_1"}[kind]
		_, url := serve(t, fake.Options{}, p)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token(), pulls(pullParticipants)), s)
		var got []string
		for _, row := range s.rows("_meta.redcap_survey_participant") {
			if row["instrument"] != "form_1" || row["unique_event_name"] != event {
				t.Errorf("a participant of %s in %q", row["instrument"], row["unique_event_name"])
			}
			got = append(got, strings.Join([]string{
				row["email"], row["email_occurrence"], row["identifier"], row["record"], row["invitation_sent_status"], row["invitation_send_time"], row["response_status"],
			}, "|"))
		}
		slices.Sort(got)
		want := []string{
			"a@example.edu|1|Ann||0||0", "a@example.edu|2|||1|2026-01-05 09:30:00|0", "b@example.edu|1||2|1|2026-01-05 09:30:00|2",
			"|1||3|0||1", "|2|nobody||0||0", "|3|nobody||0||0",
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("participants\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestNoCredentialOfAParticipantIsKeptAnywhere(t *testing.T) {
	t.Parallel()
	p := surveyed(t, fake.Classic)
	body := `[{"email":"a@example.edu","email_occurrence":1,"identifier":"","invitation_sent_status":0,"invitation_send_time":"","response_status":0,` +
		`"survey_access_code":"CANARY1","survey_link":"https://x/?s=CANARY2","Survey_Queue_Link":"CANARY3","return_code":"CANARY4","survey_hash":"CANARY5","survey_url":"CANARY6","phone":"555"}]`
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if form.Get("content") == "participantList" {
			return &canned{body: body}
		}
		return nil
	})
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), pulls(pullParticipants)), s)
	rows := s.rows("_meta.redcap_survey_participant")
	if len(rows) != 2 { // of two surveys
		t.Fatalf("%d participants, want 2", len(rows))
	}
	for key, row := range rows {
		for column, cell := range row {
			if strings.Contains(cell, "CANARY") || strings.Contains(key, "CANARY") {
				t.Errorf("%s holds a credential", column)
			}
		}
		if row["2:phone"] != "555" {
			t.Errorf("what has no column and is no credential is lost: %v", row)
		}
	}
}

func TestAParticipantKeepsItsKeyWhenAResponseComesAndOthersComeAndGo(t *testing.T) {
	t.Parallel()
	list := func(people ...map[string]string) map[string]bool {
		seen, keys := map[string]int{}, map[string]bool{}
		for _, o := range people {
			who := participantOf(o)
			seen[who]++
			keys[hashOf(who, seen[who])] = true
		}
		return keys
	}
	ann := map[string]string{"email": "Ann@example.edu", "email_occurrence": "1"}
	answered := map[string]string{"email": "ann@example.edu", "email_occurrence": "1", "record": "7", "response_status": "2", "identifier": "A"}
	bob := map[string]string{"email": "", "record": "8", "email_occurrence": "1"}
	moved := map[string]string{"email": "", "record": "8", "email_occurrence": "2"}
	if !maps.Equal(list(ann, bob), list(moved, answered)) {
		t.Error("the keys are others")
	}
	if n := len(list(ann, ann, bob, map[string]string{"identifier": "8"}, map[string]string{})); n != 5 {
		t.Errorf("%d keys of 5 participants", n)
	}
}

func TestOnlySurveysAndTheirEventsAreAskedForParticipants(t *testing.T) {
	t.Parallel()
	p := surveyed(t, fake.Longitudinal)
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token(), pulls(pullParticipants)), s)
	asked := map[string]int{}
	for _, r := range server.Requests() {
		if r.Content == "participantList" {
			asked[r.Params.Get("instrument")]++
			if r.Status != http.StatusOK {
				t.Errorf("form %s in %s was refused", r.Params.Get("instrument"), r.Params.Get("event"))
			}
		}
	}
	if asked["form_1"] == 0 || asked["form_2"] == 0 || asked["form_3"] != 0 {
		t.Errorf("asked for %v, want the two surveys", asked)
	}
	for _, forms := range []bool{true, false} { // without the right to the XML the export tells
		p.Rights(func(u *fake.User) { u.Design = forms })
		before := s.count("_meta.redcap_survey_participant")
		mustPull(t, source(t, url, p.Token(), pulls(pullParticipants)), s)
		if n := s.count("_meta.redcap_survey_participant"); n != before {
			t.Errorf("%d participants, %d before", n, before)
		}
	}
}

func TestParticipantsOfASurveyThatIsRefusedStay(t *testing.T) {
	t.Parallel()
	p := surveyed(t, fake.Classic)
	if err := p.AddParticipant("form_2", "", fake.Participant{Email: "c@example.edu"}); err != nil {
		t.Fatal(err)
	}
	refuse := false
	at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if refuse && form.Get("content") == "participantList" && form.Get("instrument") == "form_1" {
			return &canned{status: http.StatusBadRequest, body: `{"error":"The participant list is not enabled"}`}
		}
		return nil
	})
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), pulls(pullParticipants)), s)
	refuse = true
	_, proof := mustPull(t, source(t, at, p.Token(), pulls(pullParticipants)), s)
	if n := s.count("_meta.redcap_survey_participant"); n != 7 {
		t.Errorf("%d participants left, want 7", n)
	}
	wantWarning(t, proof.Warnings, "participants of 1 of 2 surveys were refused")
}

func TestAnErrorOfTheServerIsNoEmptyParticipantList(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"object": "{}", "words": "nothing", "another list": `[{"arm_num":1}]`} {
		p := surveyed(t, fake.Classic)
		at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
			if form.Get("content") == "participantList" {
				return &canned{body: body}
			}
			return nil
		})
		if _, err := source(t, at, p.Token(), pulls(pullParticipants)).Describe(t.Context(), extract.Since{}); extract.KindOf(err) != extract.KindGarbled || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
