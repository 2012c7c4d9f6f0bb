-- Says of a chunk that a run of the whole has loaded it. Locks: its row. Idempotent.
UPDATE syncd.backfill_chunk SET state = 'done', run_id = $3, ids = NULL, least = NULL WHERE backfill_id = $1 AND no = $2 AND state = 'due'
