-- Skips the slots that wait and whose job is not among those $1 that this daemon has, and that no daemon has had in its file for $2.
-- Locks: those rows. Idempotent.
UPDATE syncd.slot AS s
SET state = 'skipped', ended_at = clock_timestamp(), reason = 'no daemon has the job in its jobs.toml any more'
WHERE state = 'due' AND job <> ALL ($1::text[])
  AND NOT EXISTS (SELECT FROM syncd.job AS j WHERE j.job = s.job AND j.planned_at > clock_timestamp() - $2::interval)
RETURNING job
