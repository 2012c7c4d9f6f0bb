-- Keys whose deletion was held once and has been approved since. Reads only.
SELECT DISTINCT key_hash
FROM syncd.held
WHERE job = $1 AND schema_name = $2 AND table_name = $3 AND approved_at IS NOT NULL
