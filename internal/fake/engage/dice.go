package engage

// dice is a small deterministic source of numbers (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// chance is true n times of 1,000.
func (d *dice) chance(n int) bool { return d.below(1000) < n }

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }
