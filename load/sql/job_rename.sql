-- Gives the row of job $1 to job $2, with the source and the schedule that the new name has in the file.
-- Locks: the row.
UPDATE syncd.job
SET job = $2, source = $3, spec = $4, spec_since = $5, renamed_from = $1, seen_at = clock_timestamp(), retired_at = NULL
WHERE job = $1
