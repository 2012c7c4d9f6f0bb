-- Approves what the brake held in a run. Locks: those rows. Idempotent: what was approved keeps its name and time.
UPDATE syncd.held
SET approved_at = clock_timestamp(), approved_by = $2
WHERE run_id = $1 AND approved_at IS NULL
RETURNING table_name
