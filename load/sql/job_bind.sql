-- Binds a job to what it reads, at its first run, and follows title and version at each.
-- Locks: the job's row. Idempotent; a job bound to something else is left alone and answers nothing.
UPDATE syncd.job
SET server = $2, source_id = $3, title = $4, version = $5, bound_at = coalesce(bound_at, clock_timestamp())
WHERE job = $1 AND (server IS NULL OR (server, source_id) = ($2, $3))
RETURNING job
