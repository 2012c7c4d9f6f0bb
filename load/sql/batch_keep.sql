-- Remembers that a batch was committed, with its counts: how the same batch is recognised whose reply was lost.
-- Locks: the row it inserts.
INSERT INTO syncd.batch (run_id, seq, counts, committed_at) VALUES ($1, $2, $3, $4)
