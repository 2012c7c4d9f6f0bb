-- A job that vanished and whose schema $1 holds what was read of another source than ($3, $4). Reads only.
SELECT job, server, source_id
FROM syncd.job
WHERE schema_name = $1 AND job <> $2 AND server IS NOT NULL AND (server, source_id) IS DISTINCT FROM ($3, $4)
ORDER BY job
LIMIT 1
