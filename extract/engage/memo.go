package engage

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// memoFormat is that of the memo. One of another format is not read: then all is read once.
const memoFormat = 1

// memo is what a source keeps from one run to the next.
type memo struct {
	Format int              `json:"format"`
	Lists  map[string]*fact `json:"lists"`
}

// fact is what is known of one list.
type fact struct {
	// Seen are the parameters that decide what can be seen. After a change of them what seems to be gone may only be hidden.
	Seen string `json:"seen"`
	// Columns are those that were asked for: another one is filled by reading all once.
	Columns string `json:"columns"`
	// Probed says when the filter was tried; zero where it could not be.
	Probed  time.Time `json:"probed,omitzero"`
	Trusted bool      `json:"trusted,omitempty"` // the filter tells what is new
	Deletes bool      `json:"deletes,omitempty"` // items say that they are deleted
}

// readMemo reads a memo; what cannot be read is an empty one.
func readMemo(text []byte) memo {
	m := memo{}
	if json.Unmarshal(text, &m) != nil || m.Format != memoFormat || m.Lists == nil {
		return memo{Format: memoFormat, Lists: map[string]*fact{}}
	}
	return m
}

func (m memo) text() ([]byte, error) { return json.Marshal(m) }

// seen tells layouts apart that can see other items.
func (l *layout) seen() string { return l.path + "?" + l.params.Encode() }

// columns tells layouts apart that keep other columns.
func (l *layout) columns() string {
	var b strings.Builder
	for _, t := range l.tables() {
		for _, c := range t.Columns {
			fmt.Fprintf(&b, "%s %s,", c.Name, c.Type)
		}
	}
	return b.String()
}
