package redox

import "strings"

// eventKind says what a pair of model and event type is to a receiver.
type eventKind uint8

// The kinds of events.
const (
	unknownModel eventKind = iota
	unknownEvent           // of a model that is known
	pushedEvent            // sent to tell: it has tables
	queryEvent             // sent to be answered, or an answer: it has none
)

// redoxEvents are the event types of Redox's data models: those that are pushed, a bar, and those of synchronous exchanges.
var redoxEvents = map[string]string{
	"Claim":             "Submission SubmissionBatch Payment PaymentBatch |",
	"ClinicalDecisions": "| Request Response",
	"ClinicalSummary": "PatientPush VisitPush | PatientQuery PatientQueryResponse VisitQuery VisitQueryResponse DocumentQuery " +
		"DocumentQueryResponse DocumentGet DocumentGetResponse",
	"Device": "New |",
	"Enrichment": "| NormalizationQuery NormalizationQueryResponse NaturalLanguageProcessingQuery " +
		"NaturalLanguageProcessingQueryResponse",
	"Financial":    "Transaction AccountUpdate |",
	"Flowsheet":    "New |",
	"Inventory":    "Deplete Update |",
	"Media":        "New Replace Delete | Query QueryResponse",
	"Medications":  "New Update Cancel Administration |",
	"Notes":        "New Replace Delete | Query QueryResponse",
	"Order":        "New Update Cancel GroupedOrders | Query QueryResponse",
	"Organization": "New Update | Query QueryResponse",
	"PatientAdmin": "Arrival Cancel Discharge NewPatient PatientMerge PatientUpdate PreAdmit Registration Transfer VisitMerge " +
		"VisitUpdate | CensusQuery CensusQueryResponse VisitQuery VisitQueryResponse",
	"PatientEducation":   "New Update Delete |",
	"PatientSearch":      "| Query Response LocationQuery LocationQueryResponse",
	"Provider":           "New Update Activate Deactivate | ProviderQuery ProviderQueryResponse",
	"Referral":           "New Modify Cancel AuthReview AuthResponse | Query QueryResponse",
	"Research":           "Study SubjectUpdate |",
	"Results":            "New NewUnsolicited | Query QueryResponse",
	"Scheduling":         "New Reschedule Modification Cancel NoShow PushSlots | AvailableSlots AvailableSlotsResponse Booked BookedResponse",
	"SSO":                "| Sign-on SignOn",
	"SurgicalScheduling": "New Reschedule Modification Cancel NoShow |",
	"Vaccination":        "New Administration | PatientQuery PatientQueryResponse",
}

// eventOf judges a model, without blanks, and an event type.
func eventOf(model, event string) eventKind {
	events, ok := redoxEvents[model]
	if !ok {
		return unknownModel
	}
	kind := pushedEvent
	for name := range strings.FieldsSeq(events) {
		switch name {
		case "|":
			kind = queryEvent
		case event:
			return kind
		}
	}
	return unknownEvent
}
