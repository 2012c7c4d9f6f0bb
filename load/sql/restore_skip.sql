-- Skips the slots that wait, with a reason. Locks: those rows. Idempotent.
UPDATE syncd.slot SET state = 'skipped', run_id = NULL, reason = $1, ended_at = clock_timestamp() WHERE state IN ('due', 'running')
