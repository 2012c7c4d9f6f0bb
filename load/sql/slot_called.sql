-- Settles the slots of a job that wait while it is given the name $2: the run under way under that name does their work.
-- Locks: those rows. Idempotent.
UPDATE syncd.slot
SET state = 'skipped', run_id = NULL, reason = 'the job is called ' || $2::text || ' now', ended_at = clock_timestamp()
WHERE job = $1 AND state IN ('due', 'running')
