-- The batch's time, and what became of the batch if it was committed before. Reads only; the claim is locked already.
SELECT clock_timestamp(), (SELECT counts FROM syncd.batch WHERE run_id = $1 AND seq = $2)
