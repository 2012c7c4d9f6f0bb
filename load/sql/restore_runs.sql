-- Ends the runs that were under way as lost and makes their slots due again: whoever carried them out works in another database. Locks:
-- those rows. Idempotent.
WITH lost AS (
    UPDATE syncd.run SET state = 'lost', ended_at = clock_timestamp(), error_kind = 'lost', error = $1 WHERE state = 'running' RETURNING run_id
), again AS (
    UPDATE syncd.slot SET state = 'due', run_id = NULL, reason = $1 WHERE state = 'running'
)
SELECT count(*) FROM lost
