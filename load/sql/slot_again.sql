-- Makes the slot of a run due again that failed because its source is down, or was stopped with its process. Locks: the row. Idempotent.
UPDATE syncd.slot
SET state = 'due', run_id = NULL, reason = $2
WHERE run_id = $1 AND state = 'running'
