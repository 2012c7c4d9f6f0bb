-- Locks the claim of (job, chunk) and those that exclude it: a whole run (chunk '') excludes every chunk of its job.
-- Locks: those rows, in the order of their chunks; a batch that is still committing is waited for. Changes nothing.
SELECT chunk
FROM syncd.claim
WHERE job = $1 AND (chunk = $2 OR chunk = '' OR $2 = '')
ORDER BY chunk
FOR UPDATE
