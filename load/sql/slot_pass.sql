-- Skips the slots that still wait although something later does their work: of each job and kind those before an instant; one
-- whose run was lost is never skipped. Locks: those rows. Idempotent; a slot that is running or settled is left alone.
UPDATE syncd.slot AS s
SET state = 'skipped', reason = u.reason, ended_at = clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) AS u (job, kind, before, reason)
WHERE s.job = u.job AND s.kind = u.kind AND s.slot_at < u.before AND s.state = 'due'
  AND NOT EXISTS (SELECT FROM syncd.run AS r
                  WHERE r.job = s.job AND r.kind = s.kind AND r.slot_at = s.slot_at AND r.state = 'lost')
