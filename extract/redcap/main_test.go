package redcap

import (
	"testing"

	"syncd/internal/pgtest"
)

// TestMain stops the one Postgres of the tests, and sees that the one prefetch of a pull is always joined.
func TestMain(m *testing.M) { pgtest.Main(m) }
