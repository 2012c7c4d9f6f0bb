-- Asks a run to end; its holder reads so with its next beat. Locks: the run's row. Idempotent: who asked first, and when, is
-- kept; a run that has ended is left alone and answers nothing.
UPDATE syncd.run
SET cancel_at = coalesce(cancel_at, clock_timestamp()), cancel_by = coalesce(cancel_by, $2), cancel_now = cancel_now OR $3
WHERE run_id = $1 AND state = 'running'
RETURNING job, kind, chunk, coalesce(holder, ''), slot_at, cancel_at, cancel_by
