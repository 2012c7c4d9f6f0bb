package engage

import (
	"slices"

	"syncd/extract"
)

// The resources of version 2 of the API (reference 4).
const (
	organizations = "organizations"
	memberships   = "memberships"
	positions     = "positions"
	users         = "users"
	events        = "events"
	attendees     = "attendees"
	finance       = "financetransactions"
)

// kind is what the values of a field are.
type kind uint8

const (
	text    kind = iota
	whole        // an id or a count
	number       // decimal text
	truth        // true, "True", 1
	instant      // milliseconds since 1970
	day          // milliseconds since 1970 of a midnight on the east coast of the United States
	born         // a day that may lie before 1970
)

// kinds are the types that jobs.toml can name.
func kinds() map[string]kind {
	return map[string]kind{"text": text, "bigint": whole, "numeric": number, "boolean": truth, "timestamptz": instant, "date": day}
}

// column is the Postgres type of a kind.
func (k kind) column() extract.Type {
	return [...]extract.Type{
		text: extract.Text, whole: extract.Bigint, number: extract.Numeric, truth: extract.Boolean, instant: extract.Timestamptz, day: extract.Date, born: extract.Date,
	}[k]
}

// field is one member of an item.
type field struct {
	name      string   // as the API spells it
	also      []string // other spellings that were seen
	kind      kind
	wrapped   bool // {"value": ..., "lastModified": ...}: two columns
	sensitive bool // dropped unless the job names it
	label     string
}

// nest is a list inside an item, and the table that it becomes.
type nest struct {
	name  string // the member
	table string
	// fields are the members of its items, the first their key; none where they are custom fields, each a name with values.
	fields []field
}

// span is how a list is cut into parts that are short enough to come in one answer.
type span uint8

const (
	undivided      span = iota
	byOrganization      // organizationId
	byTime              // between two instants
)

// resource is one list of the API.
type resource struct {
	name    string // the table
	path    string
	comment string
	fields  []field // the first is the key
	nests   []nest
	always  map[string]string // parameters of every request
	byID    string            // parameter that asks for one item; empty where there is none
	divides span
	// changed are the two parameters of a filter by which changes can be asked for: what is later than the first, and
	// earlier than the second, which is empty where there is none.
	changed [2]string
	filter  filter
	deletes bool // includeDeletes tells what is gone
	indexes []string
}

// filter is what is later in a filter.
type filter uint8

const (
	unfiltered filter = iota
	modified          // the change itself: the filter tells of all
	created           // when the item was made: of new ones
	happens           // the event: of those in a window
)

// gone is the member by which items that are deleted say so.
const gone = "deleted"

// known are the names of the resources, in the order in which they are read: what memberships are split by comes first.
func known() []string {
	return []string{organizations, memberships, positions, users, events, attendees, finance}
}

// tableNames are the names of all tables and views that known resources make.
func tableNames() []string {
	all := []string{currentMember}
	for _, r := range resources() {
		all = append(all, r.name)
		for _, n := range r.nests {
			all = append(all, n.table)
		}
	}
	return all
}

// sensitive are the columns that are dropped unless a job names them.
func sensitive() []string {
	var all []string
	for _, r := range resources() {
		for _, f := range r.fields {
			if f.sensitive {
				all = append(all, f.columnName())
			}
		}
	}
	return all
}

func (f field) columnName() string { return extract.ColumnName(f.name) }

func words(kind kind, names ...string) (all []field) {
	for _, name := range names {
		all = append(all, field{name: name, kind: kind})
	}
	return all
}

func (f field) as(label string) []field {
	f.label = label
	return []field{f}
}

var (
	ofOrganization = field{name: "organizationId", kind: whole}
	ofCategory     = []field{{name: "categoryId", kind: whole}, {name: "categoryName"}}
)

// resources are all that the reference tells of.
func resources() []*resource {
	return []*resource{organizationList(), membershipList(), positionList(), userList(), eventList(), attendeeList(), financeList()}
}

func organizationList() *resource {
	return &resource{
		name: organizations, path: organizations, comment: "Organizations of the campus, whatever their status",
		fields: slices.Concat(
			ofOrganization.as("id"),
			words(text, "name", "status", "shortName", "summary", "description", "addressStreet1", "addressStreet2", "addressCity",
				"addressStateProvince", "addressZipPostal", "phoneNumber", "extension", "faxNumber", "email", "externalWebsite", "facebookUrl",
				"twitterUrl", "flickrFeedUrl", "youtubeChannelUrl", "googleCalendarUrl", "profileImageUrl", "profileUrl", "directoryVisibility", "membershipType"),
			words(whole, "typeId"), words(text, "typeName"), words(whole, "parentId"), words(text, "parentName"),
			words(whole, "primaryContactId"), words(text, "primaryContactName", "primaryContactCampusEmail"),
		),
		nests: []nest{
			{name: "categories", table: "organization_categories", fields: ofCategory},
			{name: "customFields", table: "organization_custom_fields"},
		},
		byID: "organizationId", changed: [2]string{"ModifiedOnStart", "ModifiedOnEnd"}, filter: modified,
		indexes: []string{"name", "parent_id"},
	}
}

func membershipList() *resource {
	return &resource{
		name: memberships, path: memberships, comment: "One row for each holding of one position by one person in one organization, past and present. Names in it are copies as they were then: join by the ids.",
		fields: slices.Concat(
			words(whole, "membershipId", "organizationId"), words(text, "organizationName", "organizationShortName"),
			words(whole, "positionTemplateId"), words(text, "positionTemplateName"), words(whole, "positionTypeId"), words(text, "positionTypeName"),
			words(whole, "positionId"), words(text, "positionName"), words(whole, "userId"),
			words(text, "username", "userFirstName", "userLastName", "userCampusEmail"),
			field{name: "positionRecordedStartDate", kind: day}.as("when the system has it begin"),
			field{name: "positionRecordedEndDate", kind: day}.as("when the system has it end"),
			field{name: "positionReportedStartDate", kind: day}.as("when the person says it began; it goes before the recorded one"),
			field{name: "positionReportedEndDate", kind: day}.as("when the person says it ended; it goes before the recorded one"),
			words(text, "reflection"), words(truth, "userShownOnCampusRoster", "userShownOnPublicRoster"),
		),
		byID: "membershipId", divides: byOrganization, deletes: true,
		changed: [2]string{"ModifiedOnStart", "ModifiedOnEnd"}, filter: modified,
		indexes: []string{"organization_id", "user_id", "username"},
	}
}

func positionList() *resource {
	return &resource{
		name: positions, path: positions, comment: "Positions that can be held in organizations",
		fields: slices.Concat(
			words(whole, "positionId"), words(text, "positionName"), words(truth, "positionNameLocked"),
			words(whole, "organizationId"), words(text, "organizationName"), words(whole, "positionTemplateId"), words(text, "positionTemplateName"),
			words(whole, "positionTypeId"), words(text, "positionTypeName"), words(truth, "isActive", "showOnRoster", "adminAssignOnly"),
		),
		byID: "positionId", divides: byOrganization,
		indexes: []string{"organization_id"},
	}
}

func eventList() *resource {
	return &resource{
		name: events, path: events, comment: "Events of organizations",
		fields: slices.Concat(
			words(whole, "eventId"), words(text, "eventName"), words(whole, "organizationId"), words(text, "organizationName"),
			[]field{{name: "startDateTime", also: []string{"startDate"}, kind: instant}, {name: "endDateTime", also: []string{"endDate"}, kind: instant}},
			words(text, "externalLocationId"), words(whole, "locationId"), words(text, "otherLocation", "description", "flyerUrl", "thumbnailUrl"),
			words(whole, "typeId"), words(text, "typeName", "status"),
		),
		nests: []nest{
			{name: "categories", table: "event_categories", fields: ofCategory},
			{name: "customFields", table: "event_custom_fields"},
		},
		always: map[string]string{"currentEventsOnly": "false"},
		byID:   "eventId", divides: byTime, changed: [2]string{"startDate", "endDate"}, filter: happens,
		indexes: []string{"organization_id", "start_date_time"},
	}
}

func attendeeList() *resource {
	return &resource{
		name: attendees, path: attendees, comment: "Attendance of people at events, and swipes of cards that belong to no account",
		fields: slices.Concat(
			words(whole, "attendanceId", "eventId"), words(text, "eventName"), words(whole, "organizationId"), words(text, "organizationName"),
			[]field{{name: "startDate", also: []string{"startDateTime"}, kind: instant}, {name: "endDate", also: []string{"endDateTime"}, kind: instant}},
			words(whole, "userId"), words(text, "username", "userFirstName", "userLastName", "userCampusEmail", "cardId", "attendanceStatus", "comments", "reflection"),
		),
		always: map[string]string{"includeUnrecognizedUsers": "true"},
		byID:   "attendanceId", divides: byOrganization, changed: [2]string{"startDate", "endDate"}, filter: happens,
		indexes: []string{"event_id", "organization_id", "user_id", "username", "card_id"},
	}
}

func financeList() *resource {
	return &resource{
		name: finance, path: finance, comment: "Transactions of the finance module",
		fields: slices.Concat(
			words(whole, "transactionId"), words(text, "transactionNumber"), words(whole, "requestId"), words(text, "requestNumber", "transactionType"),
			words(whole, "financeTypeId"), words(text, "financeTypeName"), words(whole, "financeCategoryId"), words(text, "financeCategoryName"),
			words(whole, "accountId"), words(text, "accountName"), words(whole, "originatingAccountId"), words(text, "originatingAccountName"),
			[]field{
				{name: "originatingOrganizationId", also: []string{"originiatingOrganizationId"}, kind: whole},
				{name: "originatingOrganizationName", also: []string{"originiatingOrganizationName"}},
			},
			words(text, "requestPayeeFirstName", "requestPayeeLastName", "payeeSourceFirstName", "payeeSourceLastName"),
			words(instant, "transactionDate"), words(number, "amount", "endingAllocationAfter", "endingAvailableAfter"),
			words(text, "memo", "reconciledStatus", "cancelledStatus"),
		),
		changed: [2]string{"startdate", ""}, filter: happens,
		indexes: []string{"originating_organization_id", "account_id"},
	}
}
