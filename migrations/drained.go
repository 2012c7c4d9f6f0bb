package migrations

import (
	"io"

	"github.com/golang-migrate/migrate/v4/database"
)

// drained is golang-migrate's driver, made to read every migration that it was handed. golang-migrate pumps a file
// through a pipe on a goroutine of its own, which stays for ever where the version could not be marked dirty first.
type drained struct {
	database.Driver
	failed error // why the version could not be marked
}

// SetVersion puts the failure off until Run, which is called next and has the pipe.
func (d *drained) SetVersion(version int, dirty bool) error {
	err := d.Driver.SetVersion(version, dirty)
	if err != nil && dirty {
		d.failed = err
		return nil
	}
	return err
}

// Run applies one migration.
func (d *drained) Run(migration io.Reader) error {
	if err := d.failed; err != nil {
		d.failed = nil
		_, _ = io.Copy(io.Discard, migration)
		return err
	}
	return d.Driver.Run(migration)
}
