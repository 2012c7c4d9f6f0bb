-- Remembers the keys whose deletion is held. Locks: the rows it inserts. Idempotent.
INSERT INTO syncd.held (run_id, job, schema_name, table_name, key_hash)
SELECT $1, $2, $3, $4, h FROM unnest($5::uuid[]) AS u (h)
ON CONFLICT DO NOTHING
