-- Settles the slot of a run that has ended. Locks: the row. Idempotent: a settled slot is left alone.
UPDATE syncd.slot
SET state = $2, reason = nullif($3, ''), ended_at = clock_timestamp()
WHERE run_id = $1 AND state = 'running'
