-- Ends a run. Locks: the run's row. Idempotent: a run that has ended is left alone and answers nothing.
UPDATE syncd.run
SET state = $2, verdict = $3, verdict_reason = $4, proofs = $5, ended_at = clock_timestamp(),
    requests = $6, bytes = $7, drift_found = $8, error_kind = $9, error = $10, error_next = $11,
    log_rows = $13,
    warnings = nullif(coalesce(warnings, '{}') || coalesce($12::text[], '{}'), '{}')
WHERE run_id = $1 AND state = 'running'
RETURNING run_id
