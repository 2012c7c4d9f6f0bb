package redox

import (
	"strings"
	"testing"
)

func TestEveryPairOfModelAndEventTypeIsTold(t *testing.T) {
	for _, c := range []struct {
		model, event string
		want         eventKind
	}{
		{"PatientAdmin", "Arrival", pushedEvent},
		{"PatientAdmin", "CensusQuery", queryEvent},
		{"Scheduling", "Booked", queryEvent},
		{"SSO", "Sign-on", queryEvent},
		{"Claim", "PaymentBatch", pushedEvent},
		{"Claim", "|", unknownEvent},
		{"Claim", "", unknownEvent},
		{"Claim", "payment", unknownEvent},
		{"Questionnaire", "New", unknownModel},
		{"", "", unknownModel},
	} {
		if got := eventOf(c.model, c.event); got != c.want {
			t.Errorf("%s %s is of kind %d, want %d", c.model, c.event, got, c.want)
		}
	}
	pairs := 0
	for _, events := range redoxEvents {
		pairs += len(strings.Fields(events)) - 1
	}
	if pairs != 112 { // 111, and the second spelling of Sign-on
		t.Errorf("%d pairs, want the 111 of Redox and a spelling", pairs)
	}
}
