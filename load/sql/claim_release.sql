-- Lets go of a claim whose run has ended. Locks: the claim row (held already). Idempotent.
UPDATE syncd.claim SET holder = NULL, run_id = NULL, beat_at = NULL WHERE job = $1 AND chunk = $2
