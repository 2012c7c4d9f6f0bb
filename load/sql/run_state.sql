-- The state of a run. Reads only.
SELECT state FROM syncd.run WHERE run_id = $1
