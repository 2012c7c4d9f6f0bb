-- Keeps how many requests a backfill is thought to take. Locks: its row. Idempotent.
UPDATE syncd.backfill SET requests_estimate = $2 WHERE backfill_id = $1
