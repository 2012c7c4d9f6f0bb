-- Ends a run that fell silent. Locks: the run's row. Idempotent: a run that has ended is left alone.
UPDATE syncd.run
SET state = 'lost', ended_at = clock_timestamp(), error_kind = 'lost', error = $2
WHERE run_id = $1 AND state = 'running'
