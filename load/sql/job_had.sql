-- Says that a daemon has these jobs in its file; not more often than every $2. Locks: their rows, never waiting. Idempotent.
UPDATE syncd.job
SET planned_at = clock_timestamp()
WHERE job IN (SELECT job FROM syncd.job
              WHERE job = ANY ($1::text[]) AND (planned_at IS NULL OR planned_at < clock_timestamp() - $2::interval)
              FOR UPDATE SKIP LOCKED)
