package schedule

import (
	"fmt"
	"hash/fnv"
)

// Weekly is the spec of a run once a week: day, hour and minute follow from the name, so that many jobs spread over the seven
// nights. None falls between one and four, where clocks are set and the nightly runs are at work.
func Weekly(name string) string {
	hours := [...]int{20, 21, 22, 23, 0, 4, 5}
	h := fnv.New64a()
	h.Write([]byte(name))
	n := h.Sum64()
	return fmt.Sprintf("%d %d * * %d", n%60, hours[n/60%uint64(len(hours))], n/60/uint64(len(hours))%7)
}
