package load

import (
	"crypto/sha256"
	"testing"
	"time"

	"syncd/internal/pgtest"
)

func TestBytesGoWithTheirTimeAndFactsStay(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	march := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	for range 2 { // a second time there is nothing to do
		if err := b.MakeMonths(t.Context(), march); err != nil {
			t.Fatal(err)
		}
	}
	for key, at := range map[string]time.Time{"applied": march, "rejected": march, "pending": march, "young": march.AddDate(0, 1, 0), "far": march.AddDate(1, 0, 0)} {
		d := delivery(key, key)
		d.ReceivedAt = at
		if _, err := b.Accept(t.Context(), d, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.payload_2026_03"); n != 3 {
		t.Errorf("%d in March", n)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.payload_default"); n != 1 {
		t.Errorf("%d in a month that had no partition", n)
	}
	do(t, w, "UPDATE syncd.delivery SET state = CASE WHEN dedupe_key IN ('rejected', 'pending') THEN dedupe_key ELSE 'applied' END")
	later := march.AddDate(0, 1, 5)
	gone, err := b.Expire(t.Context(), "hospital", later.AddDate(0, -1, 0), later)
	if err != nil || gone != 1 {
		t.Errorf("%d went, %v", gone, err)
	}
	do(t, w, "UPDATE syncd.delivery SET state = 'applied'")
	if gone, err = b.Expire(t.Context(), "hospital", later.AddDate(0, -1, 0), later); err != nil || gone != 2 {
		t.Errorf("%d went, %v", gone, err)
	}
	months, err := b.Months(t.Context())
	if err != nil || len(months) != 2 || months[0] != "payload_2026_04" {
		t.Errorf("months %v, %v", months, err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.delivery"); n != 5 {
		t.Errorf("%d facts are left", n)
	}
	if known, err := b.Accept(t.Context(), delivery("applied", "applied"), func() {}); err != nil || !known {
		t.Errorf("one whose bytes are gone is known %v, %v", known, err)
	}
}

func TestAMonthThatBeganInTheDefaultPartitionStaysThere(t *testing.T) {
	t.Parallel()
	b := inboxAt(t, Config{URL: pgtest.New(t)})
	if _, err := b.Accept(t.Context(), delivery("early", "x"), func() {}); err != nil {
		t.Fatal(err)
	}
	if err := b.MakeMonths(t.Context(), delivery("", "").ReceivedAt); err != nil {
		t.Fatal(err)
	}
	if months, err := b.Months(t.Context()); err != nil || len(months) != 2 {
		t.Errorf("months %v, %v", months, err)
	}
}

func TestReplicasAgreeOnTokensAndAssertions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	other := inboxAt(t, Config{URL: url})
	token, stale := sha256.Sum256([]byte("token")), sha256.Sum256([]byte("stale"))
	soon := time.Now().Add(time.Hour)
	for range 2 {
		if err := b.KeepToken(t.Context(), "hospital", token, "redox", "write", soon); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.KeepToken(t.Context(), "hospital", stale, "redox", "write", time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if scope, expires, ok, err := other.Token(t.Context(), "hospital", token); !ok || err != nil || scope != "write" || expires.Before(time.Now()) {
		t.Errorf("token: %q %v %v %v", scope, expires, ok, err)
	}
	for what, of := range map[string][32]byte{"hospital": stale, "clinic": token} {
		if _, _, ok, err := other.Token(t.Context(), what, of); ok || err != nil {
			t.Errorf("%s: a token was found that is not valid there: %v", what, err)
		}
	}
	for i, inbox := range []*Inbox{b, other} {
		if first, err := inbox.UseJTI(t.Context(), "hospital", "redox", token, soon); err != nil || first != (i == 0) {
			t.Errorf("use %d: first %v, %v", i, first, err)
		}
	}
	for range 2 {
		if err := b.UsedTokens(t.Context(), "hospital", map[string]int64{"aa": 2, "bb": 1}); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask[string](t, w, "SELECT string_agg(fingerprint || uses, ' ' ORDER BY fingerprint) FROM syncd.receiver_token"); got != "aa4 bb2" {
		t.Errorf("uses: %s", got)
	}
}
