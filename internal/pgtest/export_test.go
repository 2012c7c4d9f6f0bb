package pgtest

import "time"

// Sweep removes old folders.
func Sweep(parent string, before time.Time) { sweep(parent, before) }

// OutsideMain makes the package believe, until the returned func is called, that Main does not run.
func OutsideMain() (back func()) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.run = false
	return func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		shared.run = true
	}
}

// Forget takes back that databases are kept, so that the server's folder is removed at the end.
func Forget() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.failed = nil
}
