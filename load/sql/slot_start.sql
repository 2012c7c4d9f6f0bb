-- Gives a due slot to a run. Locks: the row. Answers nothing where the slot is settled or somebody runs it.
UPDATE syncd.slot
SET state = 'running', run_id = $4, reason = NULL
WHERE job = $1 AND kind = $2 AND slot_at = $3 AND state = 'due'
RETURNING job
