package engage

import (
	"slices"
	"time"
)

// Knobs say how a server behaves where servers differ, where the real one's behaviour is not known, or where it may change for
// the worse. The zero value is a server in good order.
type Knobs struct {
	// Clock and authentication.
	ClockOffset   time.Duration // the server's clock is ahead by so much
	Window        time.Duration // how far a request's time may be off; 0: 30 s, the edge included
	UpperHex      bool          // hashes in upper case are accepted
	StrictRandom  bool          // a random value that was used before is refused
	ScopeStatus   int           // for a resource out of a key's scope; 0: 403
	LoginRedirect bool          // what is not authenticated is sent to a login page of another host instead of 401

	// Limits. An answer of 429 counts as a request.
	PerSecond, PerMinute int
	RetryAfter           string // with 429; "": none
	Latency              time.Duration

	// Paging.
	MaxPageSize    int  // 0: 500
	RefuseLarge    bool // a larger pageSize is answered with 400 instead of being clamped
	ForcePageSize  int  // whatever is asked for
	EmptyPages     int  // totalPages where nothing is found
	PastEndRepeats bool // a page past the end shows the last page again instead of nothing

	// Filters.
	IgnoreFilters bool      // all of them
	Ignored       []string  // these, by their names in lower case
	NoDeletes     bool      // includeDeletes is not known, and memberships have no field deleted
	NeedUser      bool      // memberships are empty where neither a user nor an organization is asked for
	UndatedBefore time.Time // rows modified earlier have no time of modification: no ModifiedOn filter finds them
	FilterSeconds bool      // ModifiedOn filters read seconds

	// Shapes, by resource and field.
	Extra   map[string][]RawField
	Omit    map[string][]string
	Null    map[string][]string
	Spelled map[string]map[string]string // the field's name in the answer

	Dates          DateStyle
	QuotedNumbers  bool // ids and amounts are strings
	BareFlags      bool // true instead of "True"
	QuotedBooleans bool // "True" instead of true
	BareSISID      bool // a user's sisId is not wrapped
}

// RawField is a field that the server has and the reference has not.
type RawField struct{ Name, JSON string }

func (k *Knobs) window() time.Duration {
	if k.Window == 0 {
		return 30 * time.Second
	}
	return k.Window
}

func (k *Knobs) ignores(param string) bool {
	return k.IgnoreFilters || slices.Contains(k.Ignored, param) || k.NoDeletes && param == "includedeletes"
}

// pageSize is the size of page that a request gets; 0: it is refused.
func (k *Knobs) pageSize(asked int) int {
	most := k.MaxPageSize
	if most == 0 {
		most = 500
	}
	switch {
	case k.ForcePageSize > 0:
		return k.ForcePageSize
	case asked > most && k.RefuseLarge:
		return 0
	}
	return min(asked, most)
}
