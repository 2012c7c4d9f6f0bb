package engage

import (
	"context"
	"fmt"
	"sync"
	"time"

	"syncd/extract/upstream"
)

const (
	// skewCorrected is how far the clocks must differ before a refusal is put down to it.
	skewCorrected = 5 * time.Second
	// skewNoted is worth a word to the operator.
	skewNoted = 10 * time.Second
	// skewBelieved is the most that is ever made up for: beyond it the server's clock is no guide.
	skewBelieved = 24 * time.Hour
)

// clock is the time that requests are signed with: that of this machine, until the server refused a signature and was
// seen to keep another time; from then on the server's.
type clock struct {
	mu        sync.Mutex
	following bool
	offset    time.Duration // of what requests are signed with to our clock
}

// now returns the time to sign a request with.
func (k *clock) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Add(k.offset)
}

// correct follows the server's clock, as the refusal showed it, from now on, and reports whether that makes a difference
// to the refused request: then, and only then, another attempt is worth it. Where no clock was set meanwhile, the answer
// that came quickest shows it better than the refusal.
func (k *clock) correct(server *upstream.Client) (offset time.Duration, changed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	offset, ok := server.LastClock()
	if quickest, _ := server.Clock(); (quickest - offset).Abs() <= skewCorrected {
		offset = quickest
	}
	if !ok || offset.Abs() > skewBelieved || (offset-k.offset).Abs() <= skewCorrected {
		return offset, false
	}
	k.following, k.offset = true, offset
	return offset, true
}

// corrected returns the offset that requests are signed with, and whether a signature was ever refused for the clock.
func (k *clock) corrected() (offset time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.offset, k.following
}

// Clock returns the server's clock minus ours, exact to about a second, and false before the first answer.
func (c *Client) Clock() (offset time.Duration, ok bool) { return c.up.Clock() }

// Warnings returns what the operator should know about the connection although it works.
func (c *Client) Warnings() []string {
	offset, ok := c.Clock()
	adopted, corrected := c.clock.corrected()
	if corrected {
		offset = adopted
	}
	if !ok || offset.Abs() <= skewNoted && !corrected {
		return nil
	}
	said := "the clock of this machine " + skewWords(offset)
	if corrected {
		said += "; a signature was refused for it, and requests were signed by the server's time"
	}
	return []string{said + ". " + nextNTP}
}

// nextNTP is what to do about a clock that is wrong.
const nextNTP = "Set this machine's clock by NTP (timedatectl set-ntp true)."

// skewWords says how this machine's clock stands to the server's, whose offset is given.
func skewWords(offset time.Duration) string {
	rounded := offset.Round(time.Second)
	switch {
	case rounded > 0:
		return fmt.Sprintf("is %s behind the server's", rounded)
	case rounded < 0:
		return fmt.Sprintf("is %s ahead of the server's", -rounded)
	}
	return "agrees with the server's"
}

// recover makes up for the clock after a refusal; false where that is not the reason.
func (c *Client) recover(ctx context.Context) bool {
	if c.cfg.Access.auth() != authSigned {
		return false
	}
	offset, changed := c.clock.correct(c.up)
	if changed {
		c.log.WarnContext(ctx, "signature refused, signed again by the server's clock", "offset", offset.Round(time.Second))
	}
	return changed
}
