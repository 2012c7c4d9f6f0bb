-- Empties the queue, which only hands on what the ledger has. Locks: those rows. Idempotent.
DELETE FROM syncd.river_job
