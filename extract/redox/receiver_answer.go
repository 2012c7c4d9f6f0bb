package redox

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract/redox/auth"
)

// answer is what a request is answered with, and what is told of it.
type answer struct {
	status    int
	kind      RequestKind
	reason    string
	cause     error
	challenge string // WWW-Authenticate
	allow     string
	media     string // of body; JSON where it is empty
	body      string // "{}" where it is empty and the status is 200
}

// failure is why no body came that can be kept. It is the error of exchange.bytes.
type failure struct {
	status int
	reason string
}

func (f *failure) Error() string { return f.reason }

// refusal words an error of the Gate, or of the body.
func refusal(err error) answer {
	var f *failure
	if errors.As(err, &f) {
		kind := KindMalformed
		if f.status == http.StatusServiceUnavailable {
			kind = KindUnavailable
		}
		return answer{status: f.status, kind: kind, reason: f.reason}
	}
	var r *auth.Refusal
	if errors.As(err, &r) && r.Status == http.StatusUnauthorized {
		return answer{status: r.Status, kind: KindRefused, reason: r.Reason, challenge: r.Challenge}
	}
	a := answer{status: http.StatusServiceUnavailable, kind: KindUnavailable, reason: "the sender could not be judged", cause: err}
	if r != nil {
		a.reason, a.cause = r.Reason, r.Cause
	}
	return a
}

// writeWithin bounds how long an answer may take to be written.
const writeWithin = 30 * time.Second

// send writes an answer. It is the one place that does.
func (x *exchange) send(a answer) {
	h := x.w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if a.challenge != "" {
		h.Set("WWW-Authenticate", a.challenge)
	}
	if a.allow != "" {
		h.Set("Allow", a.allow)
	}
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", x.allowed.retry)
	}
	if x.r.ProtoMajor == 1 && x.r.ContentLength != 0 && (!x.read || x.failure != nil) {
		// What is left of the body is not waited for, but what is on its way is taken in: it would reset the answer.
		h.Set("Connection", "close")
		_ = x.control.SetReadDeadline(time.Now().Add(x.allowed.linger))
	}
	if a.body == "" && a.status == http.StatusOK {
		a.body = "{}"
	}
	if a.body == "" {
		h.Set("Content-Length", "0")
	} else {
		if a.media == "" {
			a.media = "application/json"
		}
		h.Set("Content-Type", a.media)
	}
	_ = x.control.SetWriteDeadline(time.Now().Add(writeWithin)) // where it cannot be set, the server's own holds
	x.w.WriteHeader(a.status)
	_, _ = x.w.Write([]byte(a.body)) // a sender that is gone will ask again
}

// asks says that the sender waits for an answer with data (reference 2.3). Of event types that nobody has documented only those
// that end in Query do: to refuse what is merely told would stop the feed.
func (e *envelope) asks() bool {
	if strings.HasSuffix(e.event, "Query") {
		return true
	}
	switch e.event {
	case "Request", "AvailableSlots", "Booked", "DocumentGet":
		return eventOf(e.model, e.event) == queryEvent
	}
	return false
}

// notAnswered is the answer to a query: it was kept, and there is no data for it.
func (x *exchange) notAnswered() answer {
	a := answer{status: http.StatusNotImplemented, kind: KindQuery, reason: "queries are not answered"}
	if x.config.OnQuery == queryEmpty {
		a.status = http.StatusOK
	}
	switch {
	case x.about.model == fhirModel:
		a.media = "application/fhir+json"
		a.body = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported","diagnostics":"This destination keeps what it is sent and answers no queries."}]}`
	case a.status == http.StatusOK:
		a.body = emptyResponse(x.about.model, x.about.event)
	}
	return a
}

// emptyResponse is the response to a query of a data model, with an error in place of data.
func emptyResponse(model, event string) string {
	response := event + "Response"
	if event == "Request" || event == "Query" && model == "PatientSearch" {
		response = "Response"
	}
	out := append([]byte(nil), `{"Meta":{"DataModel":`...)
	out, _ = jsontext.AppendQuote(out, model) // words are valid UTF-8
	out = append(out, `,"EventType":`...)
	out, _ = jsontext.AppendQuote(out, response)
	out = append(out, `,"Errors":[{"ID":null,"Text":"This destination keeps what it is sent and answers no queries.","Type":"not-supported","Module":"destination"}]}}`...)
	return string(out)
}
