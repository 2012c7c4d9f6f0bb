-- Says that the structure with which a backfill was planned is not the source's any more, unless it was renewed since. Locks: its row. Idempotent.
UPDATE syncd.backfill SET described = false WHERE backfill_id = $1 AND memo_at IS NOT DISTINCT FROM $2
