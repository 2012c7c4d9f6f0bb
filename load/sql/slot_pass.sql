-- Skips the slots that still wait when a later one becomes due; one whose run was lost is never skipped.
-- Locks: those rows. Idempotent; a slot that is running or settled is left alone.
UPDATE syncd.slot AS s
SET state = 'skipped', reason = $4, ended_at = clock_timestamp()
WHERE job = $1 AND kind = $2 AND slot_at < $3 AND state = 'due'
  AND NOT EXISTS (SELECT FROM syncd.run AS r
                  WHERE r.job = s.job AND r.kind = s.kind AND r.slot_at = s.slot_at AND r.state = 'lost')
