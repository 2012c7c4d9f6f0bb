-- The automatic backfill of a job that has been loaded to its end by now. Reads only.
SELECT b.backfill_id
FROM syncd.backfill AS b
WHERE b.job = $1 AND b.automatic AND b.state NOT IN ('succeeded', 'cancelled')
  AND EXISTS (SELECT FROM syncd.mark AS m WHERE m.job = b.job AND m.name <> 'position' AND m.name NOT LIKE 'position:%')
