-- Chunks of the backfills that are open, by state. Reads only.
SELECT b.job, c.state, count(*)
FROM syncd.backfill AS b JOIN syncd.backfill_chunk AS c USING (backfill_id)
WHERE b.state NOT IN ('succeeded', 'cancelled')
GROUP BY 1, 2 ORDER BY 1, 2
