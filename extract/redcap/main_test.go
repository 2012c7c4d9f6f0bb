package redcap

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees that the one prefetch of a pull is always joined.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
