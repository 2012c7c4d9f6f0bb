package notice

import (
	"testing"

	"syncd/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
