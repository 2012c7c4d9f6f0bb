-- The job beside $2 that has a schema, and whether it is none of the configuration's names $3 (NULL: that is not known).
-- Reads only; asked under the lock of syncd.job.
SELECT job, coalesce(NOT (job = ANY ($3::text[])), false)
FROM syncd.job
WHERE schema_name = $1 AND job <> $2 AND retired_at IS NULL
