-- Makes the slot of a run due again that was lost, or failed because its source is down. Locks: the row. Idempotent.
UPDATE syncd.slot
SET state = 'due', run_id = NULL, reason = $2
WHERE run_id = $1 AND state = 'running'
