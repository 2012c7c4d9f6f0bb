-- Locks a backfill and reads how it stands. Locks: its row, until the transaction ends.
SELECT memo_at IS NULL, chunks FROM syncd.backfill WHERE backfill_id = $1 FOR UPDATE
