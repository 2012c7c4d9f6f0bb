-- What the last step of a backfill leaves: the marks of when its ids were collected and the structure of then, unless the job has
-- come further since; then nothing. The structure to read by is the newest. Reads only.
SELECT CASE WHEN m.latest > b.created_at THEN NULL ELSE b.mark END, b.first_memo,
       CASE WHEN o.updated_at > b.memo_at THEN o.body ELSE b.memo END, b.memo_at, b.mark IS NOT NULL
FROM syncd.backfill AS b
LEFT JOIN syncd.memo AS o ON o.job = b.job
CROSS JOIN LATERAL (SELECT max(updated_at) AS latest FROM syncd.mark AS k
                    WHERE k.job = b.job AND k.name <> 'position' AND k.name NOT LIKE 'position:%') AS m
WHERE b.backfill_id = $1
