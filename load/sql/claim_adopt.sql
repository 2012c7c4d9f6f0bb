-- Whether a run has its claim: asked where the reply to the COMMIT that gave it was lost. Waits for a commit that is
-- still under way. Locks: the claim row, for one statement.
SELECT epoch FROM syncd.claim WHERE job = $1 AND chunk = $2 AND run_id = $3 FOR UPDATE
