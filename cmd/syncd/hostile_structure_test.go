package main

import (
	"bytes"
	"net/url"
	"testing"

	fake "syncd/internal/fake/redcap"
)

// hostileStructure is the rest of R1 and R2: lists of the project's structure that are empty, cut in half, or lists of something
// else, each well-formed. What no project can have is refused before a table is altered; what one could have is believed
// of the structure tables, and no record suffers for it.
func hostileStructure() (cases []hostileCase) {
	garbled, drift, believed := failedAs("garbled"), failedAs("drift"), done()
	for _, c := range []struct {
		content     string
		empty, half outcome
	}{
		{"project", garbled, believed},
		{"metadata", garbled, drift},
		{"instrument", garbled, believed}, // the dictionary names those that the list has lost
		{"exportFieldNames", believed, drift},
		{"arm", garbled, believed},
		{"event", garbled, believed},
		{"formEventMapping", believed, believed},
		{"repeatingFormsEvents", believed, believed},
		{"dag", garbled, believed},
	} {
		for _, how := range []struct {
			name, body string
			want       outcome
		}{
			{"an empty list", "[]", c.empty},
			{"half a list", "", c.half},
			{"a list of nothing in particular", "[{}]", garbled},
			{"an object", "{}", garbled},
			{"null", "null", garbled},
			{"a web page", "<html>maintenance</html>", garbled},
			{"a list of numbers", "[1,2]", garbled},
		} {
			cases = append(cases, hostileCase{
				row: "R2", name: how.name + " for " + c.content, kind: fake.Mixed, full: how.want, fullOnly: true, refused: -1,
				changed: how.want == believed, arrange: func(_ *testing.T, sc *scene) { sc.mangle = replaced(c.content, how.body) },
			})
		}
	}
	return cases
}

// replaced puts another body in the place of an answer; an empty one stands for the first half of its list.
func replaced(content, body string) func(url.Values, []byte) []byte {
	return func(form url.Values, b []byte) []byte {
		switch rows := bytes.Split(b, []byte("},{")); {
		case form.Get("content") != content:
			return b
		case body != "":
			return []byte(body)
		case len(rows) < 2:
			return b
		default:
			return append(bytes.Join(rows[:len(rows)/2], []byte("},{")), "}]"...)
		}
	}
}
