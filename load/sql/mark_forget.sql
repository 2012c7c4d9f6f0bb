-- Forgets how far a job has read, so that its next run reads everything. Locks: those rows. Idempotent.
DELETE FROM syncd.mark WHERE job = $1
