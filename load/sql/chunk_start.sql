-- Gives a due chunk to a run. Locks: its row. Answers nothing where it is not due, its backfill is at rest, or its source is read one
-- chunk at a time and another is being read.
UPDATE syncd.backfill_chunk AS c
SET state = 'running', run_id = $3, attempts = attempts + 1, reason = NULL
FROM syncd.backfill AS b
WHERE b.backfill_id = c.backfill_id AND c.backfill_id = $1 AND c.no = $2 AND c.state = 'due' AND b.state = 'running'
  AND NOT (b.serial AND EXISTS (SELECT FROM syncd.backfill_chunk AS o WHERE o.backfill_id = $1 AND o.state = 'running'))
RETURNING c.no
