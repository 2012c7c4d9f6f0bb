package engage

import (
	"bytes"
	"fmt"
	"net/http"

	"syncd/extract"
	"syncd/extract/upstream"
)

// What to type or whom to ask next.
const (
	nextCheck = "Type syncd check JOB: it looks at clock, address, algorithm and keys one after the other."
	nextScope = "Ask Engage support, through your campus's primary contact, to add the resource to the key's scope, or take it out of resources."
	nextPage  = "Open the url in a browser: Engage may be under maintenance, or the url may be that of its web pages. It ends with /engage/api/."
	nextWhere = "Check url, which ends with /engage/api/, and the path of the resource."
)

// judge says what a refusal of Engage means (reference 6). Bodies are not looked at but to tell a web page from an answer.
func judge(r *upstream.Refusal) *extract.Error {
	switch r.Status {
	case http.StatusUnauthorized:
		return &extract.Error{Kind: extract.KindAuth, Cause: r, Next: nextCheck}
	case http.StatusForbidden:
		if bytes.HasPrefix(bytes.TrimLeft(r.Body(), " \t\r\n"), []byte("<")) {
			return &extract.Error{
				Kind: extract.KindRefused, Cause: fmt.Errorf("%w with a web page: a firewall in front of Engage, or a ban of this address", r),
				Next: "Ask Engage support whether requests from your address are blocked.",
			}
		}
		return &extract.Error{Kind: extract.KindRights, Cause: r, Next: nextScope}
	case http.StatusNotFound:
		return &extract.Error{Kind: extract.KindRefused, Cause: r, Next: nextWhere}
	}
	return nil
}
