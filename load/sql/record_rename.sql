-- Writes down which records were found under another name. Locks: the rows it inserts. Idempotent.
INSERT INTO syncd.record_rename (schema_name, old, new, run_id)
SELECT $1, o, n, $4 FROM unnest($2::text[], $3::text[]) AS u (o, n)
ON CONFLICT DO NOTHING
