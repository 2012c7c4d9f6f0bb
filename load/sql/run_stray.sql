-- Runs that are said to be running and that hold no claim: nobody will ever end them. Reads only; the run and its
-- claim are written in one transaction, so that a run that is just beginning is never seen without one.
SELECT run_id
FROM syncd.run AS r
WHERE state = 'running'
  AND NOT EXISTS (SELECT FROM syncd.claim AS c WHERE c.job = r.job AND c.chunk = r.chunk AND c.run_id = r.run_id)
