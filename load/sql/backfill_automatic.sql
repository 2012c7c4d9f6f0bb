-- The first load of a job that a run cut into chunks by itself and that was interrupted. Reads only.
SELECT backfill_id, mark, first_memo
FROM syncd.backfill
WHERE job = $1 AND first AND automatic AND state NOT IN ('succeeded', 'cancelled')
