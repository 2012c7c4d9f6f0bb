-- Gives a locked claim to a run and raises its epoch, so that whoever held it before is refused from now on.
-- Locks: the claim row (held already).
UPDATE syncd.claim
SET epoch = epoch + 1, holder = $3, run_id = $4, beat_at = clock_timestamp()
WHERE job = $1 AND chunk = $2
RETURNING epoch
