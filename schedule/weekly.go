package schedule

import (
	"fmt"
	"hash/fnv"
	"time"
)

// numberOf is a number that follows from a name and from nothing else.
func numberOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// Offset is how long after a slot what has this name starts, where what is due together is spread: whole seconds, less than spread,
// the same wherever it is asked.
func Offset(name string, spread time.Duration) time.Duration {
	seconds := uint64(spread / time.Second)
	if seconds == 0 {
		return 0
	}
	return time.Duration(numberOf(name)%seconds) * time.Second
}

// Weekly is the spec of a run once a week: day, hour and minute follow from the name, so that many jobs spread over the seven
// nights. None falls between one and four, where clocks are set and the nightly runs are at work.
func Weekly(name string) string {
	hours := [...]int{20, 21, 22, 23, 0, 4, 5}
	n := numberOf(name)
	return fmt.Sprintf("%d %d * * %d", n%60, hours[n/60%uint64(len(hours))], n/60/uint64(len(hours))%7)
}
