-- Retires the jobs that are none of $1, and that no daemon and no run has had for longer than $2. Locks: those rows. Idempotent.
UPDATE syncd.job
SET retired_at = clock_timestamp()
WHERE retired_at IS NULL AND NOT (job = ANY ($1::text[]))
  AND greatest(seen_at, planned_at) < clock_timestamp() - $2::interval
RETURNING job
