package job

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// softNamed is how many rules a run's warnings name: a dictionary of 35,000 fields must not make as many lines.
const softNamed = 20

// softWarnings says what was stored as it is although it breaks a rule of the source, most values first.
func softWarnings(soft map[string]int) []string {
	rules := slices.SortedFunc(maps.Keys(soft), func(a, b string) int {
		return cmp.Or(cmp.Compare(soft[b], soft[a]), cmp.Compare(a, b))
	})
	var lines []string
	for i, rule := range rules {
		if i == softNamed {
			rest := 0
			for _, r := range rules[i:] {
				rest += soft[r]
			}
			return append(lines, fmt.Sprintf("and %d more rules, %d values: see syncd.nonconforming_summary", len(rules)-i, rest))
		}
		lines = append(lines, fmt.Sprintf("stored as it is, values: %d, %s", soft[rule], rule))
	}
	return lines
}
