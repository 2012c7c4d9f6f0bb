-- Remembers the schedule that a planner read for a job; a changed one starts anew at $3, the planner's clock.
-- Locks: the job's row, only where the spec changed. Idempotent, also between replicas that read the same file.
UPDATE syncd.job
SET spec = $2, spec_since = $3
WHERE job = $1 AND spec IS DISTINCT FROM $2
