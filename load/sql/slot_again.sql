-- Makes the slot of a lost run due again. Locks: the row. Idempotent.
UPDATE syncd.slot
SET state = 'due', run_id = NULL, reason = $2
WHERE run_id = $1 AND state = 'running'
