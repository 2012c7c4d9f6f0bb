package engage

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// thirdPath is where version 3 of the API lies: the same campus under other paths, shapes and rules (section 8 of the reference).
const thirdPath = "/api/v3.0/"

// third is a list of version 3: the resource of version 2 that it is made from, its parameters and its items.
type third struct {
	resource string
	finds    func(c *Campus, it *Item, q url.Values) bool
	shape    func(c *Campus, it *Item) any
}

// thirds are the lists that clients were seen to ask for.
func thirds() map[string]third {
	return map[string]third{
		"organizations/organization":   {"organizations", findsOrganization, thirdOrganization},
		"organizations/positionholder": {"memberships", findsHolder, thirdHolder},
		"events/event":                 {"events", findsEvent, thirdEvent},
	}
}

// serveThird answers a list of version 3. A key that is missing is 401; one that is wrong, or may not, is 403. Parameters that are not
// known, or cannot be read, are ignored. How much may be taken at once is not known: 500 here.
func (c *call) serveThird(path string) {
	s := c.s
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		c.fail(http.StatusBadRequest, "The request is invalid.")
		return
	}
	name := strings.Trim(strings.ToLower(path), "/")
	list, ok := thirds()[name]
	header := c.r.Header.Get("X-Engage-Api-Key")
	if header == "" {
		header = q.Get("key")
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.keys, func(k *Key) bool { return k.Header != "" && k.Header == header })
	allowed := i >= 0 && s.allowed(s.keys[i], c.r) == nil && s.keys[i].may(list.resource)
	limited := s.overLimit()
	s.mu.Unlock()
	switch {
	case c.r.Method != http.MethodGet:
		c.fail(http.StatusMethodNotAllowed, "The requested resource does not support this http method.")
	case limited:
		c.fail(http.StatusTooManyRequests, "API calls quota exceeded.")
	case header == "":
		c.fail(http.StatusUnauthorized, "The key is missing.")
	case !ok && i >= 0:
		c.fail(http.StatusNotFound, "Not Found")
	case !allowed:
		c.fail(http.StatusForbidden, "The key may not do this.")
	default:
		c.listThird(list, q)
	}
}

func (c *call) listThird(list third, q url.Values) {
	skip, _ := strconv.Atoi(q.Get("skip"))
	take, err := strconv.Atoi(q.Get("take"))
	if err != nil {
		take = 100
	}
	skip, take = max(0, skip), min(max(0, take), 500)
	out := struct {
		Skip       int   `json:"skip"`
		Take       int   `json:"take"`
		TotalItems int   `json:"totalItems"`
		Items      []any `json:"items"`
	}{Skip: skip, Take: take, Items: []any{}}
	campus := c.s.campus
	for it := range campus.Truth(list.resource) {
		if !list.finds(campus, it, q) {
			continue
		}
		if out.TotalItems++; out.TotalItems > skip && len(out.Items) < take {
			out.Items = append(out.Items, list.shape(campus, it))
		}
	}
	c.rq.Items, c.rq.TotalItems = len(out.Items), out.TotalItems
	body, err := json.Marshal(out)
	if err != nil {
		c.fail(http.StatusInternalServerError, "An error has occurred.")
		return
	}
	c.deliver(body)
}

// among tells whether an id is one of those that a parameter names; without the parameter every id is.
func among(q url.Values, name string, id int64) bool {
	return len(q[name]) == 0 || slices.Contains(q[name], digits(id))
}

func findsOrganization(_ *Campus, it *Item, q url.Values) bool {
	return among(q, "ids", it.ID) && (q.Get("name") == "" || strings.EqualFold(q.Get("name"), it.Get("name").Text))
}

func findsHolder(_ *Campus, it *Item, q url.Values) bool {
	name := q.Get("userId.username")
	return it.Get("positionRecordedEndDate").Kind == Null && (name == "" || strings.EqualFold(name, it.Get("username").Text))
}

func findsEvent(_ *Campus, it *Item, q url.Values) bool {
	start, end := it.Get("startDateTime").Time(), it.Get("endDateTime").Time()
	later := func(name string, t time.Time) bool {
		at, err := time.Parse(time.RFC3339, q.Get(name))
		return err != nil || t.After(at)
	}
	before, err := time.Parse(time.RFC3339, q.Get("startsBefore"))
	return among(q, "organizationIds", it.Get("organizationId").Number) && later("startsAfter", start) && later("endsAfter", end) && (err != nil || start.Before(before))
}

// identifier is a person as version 3 names one; any member may be null.
type identifier struct {
	CommunityMemberID   int64   `json:"communityMemberId"`
	AccountID           string  `json:"accountId"`
	Username            string  `json:"username"`
	CampusEmail         string  `json:"campusEmail"`
	SwipeCardIdentifier *string `json:"swipeCardIdentifier"`
	SISID               *string `json:"sisId"`
}

// identify names the person of a user's id; null for nobody.
func (c *Campus) identify(id Value) *identifier {
	if id.Kind == Null {
		return nil
	}
	r, _, _ := c.users.find(id.Number)
	who := c.personOf(&r)
	return &identifier{CommunityMemberID: id.Number, AccountID: "a-" + digits(id.Number), Username: who.username, CampusEmail: who.email, SwipeCardIdentifier: &who.card}
}

func thirdOrganization(c *Campus, it *Item) any {
	site := it.Get("profileUrl").Text
	return map[string]any{
		"id": it.ID, "name": it.Get("name").Text, "status": it.Get("status").Text, "summary": it.Get("summary").Text, "description": it.Get("description").Text, "profilePicture": nil,
		"websiteKey": site[strings.LastIndexByte(site, '/')+1:], "organizationType": map[string]any{"id": it.Get("typeId").Number, "name": it.Get("typeName").Text},
		"primaryContactId": c.identify(it.Get("primaryContactId")),
	}
}

func thirdHolder(c *Campus, it *Item) any {
	return map[string]any{
		"id": it.ID, "organizationId": it.Get("organizationId").Number, "positionId": it.Get("positionId").Number, "name": it.Get("positionName").Text, "userId": c.identify(it.Get("userId")),
	}
}

func thirdEvent(_ *Campus, it *Item) any {
	kinds := []map[string]any{}
	for _, k := range it.Get("categories").Categories {
		kinds = append(kinds, map[string]any{"id": k.ID, "name": k.Name, "isVisibleOnPublicSite": true})
	}
	address := map[string]any{"name": it.Get("otherLocation").Text}
	for _, name := range []string{"address", "line1", "line2", "city", "state", "zip", "latitude", "longitude", "onlineLocation", "instructions"} {
		address[name] = nil
	}
	org := it.Get("organizationId").Number
	return map[string]any{
		"id": it.ID, "name": it.Get("eventName").Text, "description": it.Get("description").Text, "startsOn": it.Get("startDateTime").Time().Format(time.RFC3339),
		"endsOn": it.Get("endDateTime").Time().Format(time.RFC3339), "imageUrl": nil, "submittedByOrganizationId": org, "organizationIds": []int64{org}, "theme": "SocialEvent",
		"benefits": []string{}, "categories": kinds, "visibility": "Public", "type": strings.ReplaceAll(it.Get("typeName").Text, " ", ""),
		"state":   map[string]any{"eventId": it.ID, "status": it.Get("status").Text, "comments": nil, "updatedByAccountId": nil},
		"address": address,
	}
}
