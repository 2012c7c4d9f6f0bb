-- The open backfill that makes the first load of a job and is not to be made by a run of the whole. Reads only.
SELECT backfill_id, state
FROM syncd.backfill
WHERE job = $1 AND first AND state NOT IN ('succeeded', 'cancelled') AND (NOT automatic OR state = 'paused')
