-- Settles one due slot as failed before any run began, with the reason (a misconfigured job).
-- Locks: the row. Idempotent; a slot that is running or settled is left alone.
UPDATE syncd.slot
SET state = 'failed', reason = $4, ended_at = clock_timestamp()
WHERE job = $1 AND kind = $2 AND slot_at = $3 AND state = 'due'
