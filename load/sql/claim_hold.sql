-- The first statement of whatever a run writes: locks its claim and reads the epoch.
-- Locks: the claim row, until the transaction ends.
SELECT epoch FROM syncd.claim WHERE job = $1 AND chunk = $2 FOR UPDATE
