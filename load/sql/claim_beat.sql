-- Says that a run is alive. A claim that is locked is skipped: the run's own batch has it and says so at its commit.
-- Locks: the claim row, for one statement, never waiting.
UPDATE syncd.claim
SET beat_at = clock_timestamp()
WHERE (job, chunk) IN (SELECT job, chunk FROM syncd.claim WHERE job = $1 AND chunk = $2 FOR UPDATE SKIP LOCKED)
  AND epoch = $3 AND holder IS NOT NULL
