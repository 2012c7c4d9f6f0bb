-- Forgets the batches of a run before this one: a run that settles deliveries has no end of them. Locks: those rows. Idempotent.
DELETE FROM syncd.batch WHERE run_id = $1 AND seq < $2
