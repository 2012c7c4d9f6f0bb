-- The first chunk of a backfill that is due, with the structure to read it by: the newest of the plan's and the job's. Reads only.
SELECT c.no, coalesce(c.ids, '{}'), c.least, c.records, c.attempts, CASE WHEN o.updated_at > b.memo_at THEN o.body ELSE b.memo END, b.memo_at
FROM syncd.backfill_chunk AS c
JOIN syncd.backfill AS b USING (backfill_id)
LEFT JOIN syncd.memo AS o ON o.job = b.job
WHERE c.backfill_id = $1 AND c.state = 'due'
ORDER BY c.no
LIMIT 1
