-- Keys of a job that have an unresolved reject. Reads only.
SELECT table_name, key_hash FROM syncd.reject WHERE job = $1 AND resolved_at IS NULL
