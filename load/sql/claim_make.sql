-- Makes the claim row of (job, chunk), so that there is something to lock.
-- Locks: the row it inserts; waits for another that is inserting it. Idempotent.
INSERT INTO syncd.claim (job, chunk) VALUES ($1, $2) ON CONFLICT DO NOTHING
