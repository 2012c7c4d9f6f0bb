-- Has every job that has read anything read everything in its next run. What it knows of its source stays, so that what was renamed
-- meanwhile is recognised. Locks: the rows it writes. Idempotent.
INSERT INTO syncd.mark (job, name, value, run_id, updated_at)
SELECT job, $1, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), max(run_id), clock_timestamp()
FROM syncd.mark WHERE name <> $1 GROUP BY job
ON CONFLICT (job, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
RETURNING job
