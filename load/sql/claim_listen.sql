-- Says that a run is alive, and answers whether it was said (1 or 0) and whether somebody asked the run to end. A claim that is locked
-- is skipped: the run's own batch has it and says so at its commit. Locks: the claim row, for one statement, never waiting.
WITH beat AS (
    UPDATE syncd.claim
    SET beat_at = clock_timestamp()
    WHERE (job, chunk) IN (SELECT job, chunk FROM syncd.claim WHERE job = $1 AND chunk = $2 FOR UPDATE SKIP LOCKED)
      AND epoch = $3 AND holder IS NOT NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM beat), coalesce((SELECT cancel_by FROM syncd.run WHERE run_id = $4), ''),
       coalesce((SELECT cancel_now FROM syncd.run WHERE run_id = $4), false)
