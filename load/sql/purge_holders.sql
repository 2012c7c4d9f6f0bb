-- The runs that hold a job's claims, which are locked. Reads only.
SELECT c.run_id FROM syncd.claim AS c JOIN syncd.run AS r USING (run_id) WHERE c.job = $1 AND r.state = 'running'
