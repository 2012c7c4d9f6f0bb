package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestEveryTestGetsItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		conn, err := pgx.Connect(t.Context(), pgtest.New(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		if _, err := conn.Exec(t.Context(), "INSERT INTO syncd.audit (actor, action, subject) VALUES ('a', 'b', 'c')"); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM syncd.audit").Scan(&n); err != nil || n != 1 {
			t.Fatalf("rows of another test seen: %d, %v", n, err)
		}
	}
}
