-- The job that read a source ($2, $3) under a name that is none of the configuration's ($4), for a job $1 that has read none
-- yet: of several the one that has its schema $5, then the one that ran last. Reads only.
SELECT b.job, b.schema_name
FROM syncd.job AS b
WHERE (b.server, b.source_id) = ($2, $3) AND b.job <> $1 AND NOT (b.job = ANY ($4::text[]))
  AND NOT EXISTS (SELECT FROM syncd.job AS me WHERE me.job = $1 AND me.server IS NOT NULL)
ORDER BY b.schema_name = $5 DESC, (SELECT max(r.run_id) FROM syncd.run AS r WHERE r.job = b.job) DESC NULLS LAST, b.job
LIMIT 1
