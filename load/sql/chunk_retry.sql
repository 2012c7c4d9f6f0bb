-- Makes the failed chunks of a backfill due again. Locks: those rows. Idempotent.
UPDATE syncd.backfill_chunk SET state = 'due', attempts = 0, reason = NULL WHERE backfill_id = $1 AND state = 'failed'
