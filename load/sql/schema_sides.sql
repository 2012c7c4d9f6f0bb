-- The schemas that are there of a job's base schema $1: itself and its sides. Reads only.
SELECT nspname::text FROM pg_namespace
WHERE nspname = $1 OR nspname IN ($1 || '_labels', $1 || '_deid', $1 || '_meta', $1 || '_deleted', $1 || '_history')
ORDER BY 1
