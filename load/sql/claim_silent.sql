-- Claims whose holder has been silent for too long. One that is locked is skipped: somebody is at work on it.
-- Locks: the rows found, never waiting.
SELECT job, chunk, run_id
FROM syncd.claim
WHERE holder IS NOT NULL AND beat_at < clock_timestamp() - $1::interval
ORDER BY job, chunk
FOR UPDATE SKIP LOCKED
