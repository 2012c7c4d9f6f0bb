-- Drops one mark. Locks: that row. Idempotent.
DELETE FROM syncd.mark WHERE job = $1 AND name = $2
