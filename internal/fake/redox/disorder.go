package redox

import "slices"

// Disorder returns the messages as they arrive where queues run side by side: so many of a thousand change places with one up
// to 200 places later. Attempts at the same log stay in their order, since no log overtakes itself.
func Disorder(all []*Message, perMille int, seed uint64) []*Message {
	out, d := slices.Clone(all), dice(seed)
	for i := range out {
		if j := i + 1 + d.below(200); d.of(perMille) && j < len(out) {
			out[i], out[j] = out[j], out[i]
		}
	}
	attempts := map[string][]*Message{}
	for _, m := range all {
		attempts[m.LogID] = append(attempts[m.LogID], m)
	}
	for i, m := range out {
		out[i], attempts[m.LogID] = attempts[m.LogID][0], attempts[m.LogID][1:]
	}
	return out
}
