-- Settles due slots up to and including an instant as skipped, with the reason.
-- Locks: those rows. Idempotent; a slot that is running or settled is left alone.
UPDATE syncd.slot
SET state = 'skipped', reason = $4, ended_at = clock_timestamp()
WHERE job = $1 AND kind = $2 AND slot_at <= $3 AND state = 'due'
RETURNING slot_at
