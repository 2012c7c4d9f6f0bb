-- A claim that exists only in the transaction of a rehearsal, which is given up: what compares batches finds it there.
-- Locks: nothing that others see.
INSERT INTO syncd.claim (job, chunk, epoch) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
