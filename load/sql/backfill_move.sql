-- Brings a backfill from one of some states into another, with the reason. Locks: its row. Answers nothing where it is in none of them.
UPDATE syncd.backfill
SET state = $2, reason = nullif($3, ''), ended_at = CASE WHEN $2 IN ('succeeded', 'cancelled') THEN clock_timestamp() END,
    detached = coalesce($5, detached)
WHERE backfill_id = $1 AND state = ANY ($4)
RETURNING job
