-- Forgets how far a job has read, and its memo, so that its next run reads everything. Locks: those rows. Idempotent.
WITH memo AS (DELETE FROM syncd.memo WHERE job = $1)
DELETE FROM syncd.mark WHERE job = $1
