-- Binds a job to another source, as a person has approved. Locks: the job's row. Idempotent.
UPDATE syncd.job SET server = $2, source_id = $3, title = $4, version = $5, bound_at = clock_timestamp() WHERE job = $1
