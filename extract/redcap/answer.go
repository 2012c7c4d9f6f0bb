package redcap

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"syncd/extract"
	"syncd/extract/upstream"
)

// What a server said, in our words: its own may hold names and values.
var (
	errClassic     = errors.New("the project is classic: it has no arms and events")
	errNoRepeats   = errors.New("nothing in the project repeats")
	errNoAPI       = errors.New("the token was refused: the account of its user is expired or suspended, or has lost its API right, or the token was regenerated")
	errNoGroups    = errors.New("the token's user lacks the Data Access Groups right")
	errBoundUser   = errors.New("the token's user is in a data access group")
	errNoRight     = errors.New("the token's user lacks a right")
	errNowhere     = errors.New("there is nothing at this address")
	errContent     = errors.New("the server does not know the method")
	errUnknown     = errors.New("the server does not know a field, form or event that was asked for")
	errMemory      = errors.New("the server ran out of memory")
	errTooMuch     = errors.New("the server could not complete so large an export")
	errDatabase    = errors.New("the server could not reach its database")
	errOther       = errors.New("the server answered an error")
	errHTML        = errors.New("a web page came instead of data")
	errBlank       = errors.New("an empty answer came")
	errBanned      = errors.New("a web page came with status 403: a firewall in front of REDCap, or a ban of this address")
	errNoise       = errors.New("something else stands before the data")
	errCut         = errors.New("the answer was cut off")
	errWrongAnswer = errors.New("the answer is not what was asked for")
)

// saying is a message that REDCap is known to send (reference 2.3), matched in lower case.
type saying struct {
	match string
	cause error
	kind  extract.Kind
	next  string
}

// sayings is ordered: the first that matches decides.
func sayings() []saying {
	return []saying{
		{"for classic projects", errClassic, extract.KindRefused, ""},
		{"does not contain any repeating", errNoRepeats, extract.KindRefused, ""},
		{"permissions to use the api", errNoAPI, extract.KindAuth, nextToken},
		{"because you have been assigned to a data access group", errBoundUser, extract.KindRights, nextGroups},
		{"'data access groups' privileges", errNoGroups, extract.KindRights, nextGroups},
		{"insufficient user privileges", errNoRight, extract.KindRights, nextRights},
		{"do not have permission", errNoRight, extract.KindRights, nextRights},
		{"parameter \"content\" is not valid", errContent, extract.KindRefused, nextVersion},
		{"requested method is not implemented", errContent, extract.KindRefused, nextVersion},
		{"are not valid", errUnknown, extract.KindDrift, ""},
		{"ran out of server memory", errMemory, extract.KindTooLarge, nextSmaller},
		{"allowed memory size of", errMemory, extract.KindTooLarge, nextSmaller},
		{"smaller data set", errTooMuch, extract.KindTooLarge, nextSmaller},
		{"smaller amount of data", errTooMuch, extract.KindTooLarge, nextSmaller},
		{"could not connect to the mysql server", errDatabase, extract.KindTransient, ""},
	}
}

const (
	nextToken = "In this order: ask REDCap's administrator whether the account of the token's user is expired or suspended; " +
		"look in the project's User Rights whether it has API Export; compare the token with the one on the project's API page. " +
		"Put a new token where the job's token is read from, and run: syncd check"
	nextGroups = "Give the token's user the Data Access Groups right and take the user out of any group, or leave dags " +
		"out of the job's pull."
	nextRights = "Give the token's user in REDCap's User Rights: API Export, Full Data Set on every instrument, no data " +
		"access group."
	nextVersion = "Check that url is the API's address (https://HOST/redcap/api/ or https://HOST/api/) and how old the server is."
	nextSmaller = "Ask for less: skip_forms leaves instruments out."
	nextPage    = "Open the url in a browser: the server may be under maintenance, or the url may be a login page's."
	nextBan     = "Ask REDCap's administrator whether a firewall or REDCap's own rate limiter refuses this address, and to exempt it."
)

// said judges an error message of the server; a message that is not known is of the given kind.
func said(message []byte, otherwise extract.Kind) *extract.Error {
	text := strings.ToLower(string(message))
	for _, s := range sayings() {
		if strings.Contains(text, s.match) {
			return &extract.Error{Kind: s.kind, Cause: s.cause, Next: s.next}
		}
	}
	return &extract.Error{Kind: otherwise, Cause: errOther}
}

// Judge says what an answer with another status than 200 means. It is meant for upstream.Endpoint.Judge: nil leaves
// the matter to the status.
func Judge(r *upstream.Refusal) *extract.Error {
	body := bytes.TrimSpace(r.Body())
	switch r.Status {
	case http.StatusForbidden:
		if isHTML(body) {
			return &extract.Error{Kind: extract.KindRights, Cause: &judged{errBanned, r}, Next: nextBan}
		}
		return joined(refusedToken(body), r, "")
	case http.StatusUnauthorized:
		return joined(refusedToken(body), r, "")
	case http.StatusBadRequest:
		return joined(said(body, extract.KindRefused), r, "")
	case http.StatusNotFound: // the web server's own: it says nothing about a method (reference 2.2)
		return joined(&extract.Error{Kind: extract.KindRefused, Cause: errNowhere}, r, nextVersion)
	case http.StatusNotImplemented:
		return joined(&extract.Error{Kind: extract.KindRefused, Cause: errContent}, r, nextVersion)
	case http.StatusInternalServerError:
		if e := said(body, extract.KindTransient); e.Kind != extract.KindAuth && e.Kind != extract.KindDrift {
			return joined(e, r, "")
		}
	}
	return nil
}

// refusedToken judges the message of a refusal; one that is not known is about the token: REDCap words it by its own
// language, and has one text for all three causes.
func refusedToken(body []byte) *extract.Error {
	e := said(body, extract.KindAuth)
	if e.Cause == errOther {
		e.Cause, e.Next = errNoAPI, nextToken
	}
	return e
}

// judged keeps what was said together with the refusal that carried it.
type judged struct {
	cause   error
	refusal *upstream.Refusal
}

func (j *judged) Error() string   { return j.cause.Error() + " (" + j.refusal.Error() + ")" }
func (j *judged) Unwrap() []error { return []error{j.cause, j.refusal} }

func joined(e *extract.Error, r *upstream.Refusal, next string) *extract.Error {
	e.Cause = &judged{e.Cause, r}
	if e.Next == "" {
		e.Next = next
	}
	return e
}

// checkBody finds what is not data in an answer with status 200 (reference 2.4): nothing at all, web pages, errors of
// the application, of PHP and of MySQL. It returns the body without a byte order mark.
func checkBody(body []byte) ([]byte, *extract.Error) {
	body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
	head := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(head) == 0:
		return body, &extract.Error{Kind: extract.KindGarbled, Cause: errBlank}
	case bytes.HasPrefix(head, []byte("ERROR:")):
		return nil, said(firstBytes(head), extract.KindGarbled)
	case bytes.HasPrefix(head, []byte(`{"error"`)):
		return nil, said(firstBytes(head), extract.KindGarbled)
	case bytes.HasPrefix(head, []byte("<?xml")):
		return nil, said(firstBytes(head), extract.KindGarbled)
	case isHTML(head):
		if e := said(firstBytes(head), extract.KindGarbled); e.Kind == extract.KindTooLarge || e.Kind == extract.KindTransient {
			return nil, e
		}
		return nil, &extract.Error{Kind: extract.KindGarbled, Cause: errHTML, Next: nextPage}
	}
	return body, nil
}

// outage says in a few words that an answer with status 200 comes from a server that is down: a page of maintenance or of a
// proxy, the words of a database that cannot be reached. What PHP prints about one request is none.
func outage(body []byte) string {
	_, fault := checkBody(body)
	switch {
	case fault == nil:
		return ""
	case fault.Kind == extract.KindTransient:
		return fault.Cause.Error()
	case fault.Cause == errHTML && !printedByPHP(body):
		return errHTML.Error()
	}
	return ""
}

func printedByPHP(body []byte) bool {
	head := bytes.ToLower(firstBytes(bytes.TrimLeft(body, "\xEF\xBB\xBF \t\r\n")))
	return bytes.HasPrefix(head, []byte("<br")) || bytes.HasPrefix(head, []byte("<b>"))
}

// errorText judges a body that turned out not to be data: known words decide, else cause and KindGarbled.
func errorText(body []byte, cause error) *extract.Error {
	e := said(firstBytes(body), extract.KindGarbled)
	if e.Cause == errOther {
		e.Cause = cause
	}
	return e
}

func firstBytes(body []byte) []byte { return body[:min(len(body), 4<<10)] }

func isHTML(head []byte) bool {
	if len(head) == 0 || head[0] != '<' || bytes.HasPrefix(head, []byte("<?xml")) {
		return false
	}
	start := bytes.ToLower(head[:min(len(head), 16)])
	for _, tag := range []string{"<!doctype", "<html", "<br", "<b>", "<head", "<body", "<!--", "<p", "<div", "<title", "<script"} {
		if bytes.HasPrefix(start, []byte(tag)) {
			return true
		}
	}
	return false
}
