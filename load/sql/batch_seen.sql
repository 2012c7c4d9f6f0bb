-- The batch's time: the transaction's own, unless that had to wait for the claim; and what became of the batch
-- if it was committed before. Reads only; the claim is locked already.
SELECT CASE WHEN clock_timestamp() - now() < interval '100 ms' THEN now() ELSE clock_timestamp() END,
	clock_timestamp() - now() < interval '100 ms',
	(SELECT counts FROM syncd.batch WHERE run_id = $1 AND seq = $2)
