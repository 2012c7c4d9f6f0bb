-- Takes a claim from a run that fell silent, without giving it to another; the raised epoch refuses what it may
-- still send. Locks: the claim row (held already).
UPDATE syncd.claim
SET epoch = epoch + 1, holder = NULL, run_id = NULL, beat_at = NULL
WHERE job = $1 AND chunk = $2
