-- Remembers over which columns and in which encoding the fingerprints of a table are taken from now on. A table whose
-- shape has changed keeps rows with fingerprints of before until they are met. Locks: the rows that change. Idempotent.
UPDATE syncd.table_def AS d
SET shape = u.shape, encoding = $4, reshaped = d.reshaped OR d.shape IS NOT NULL
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS u (schema_name, table_name, shape)
WHERE (d.schema_name, d.table_name) = (u.schema_name, u.table_name) AND (d.shape, d.encoding) IS DISTINCT FROM (u.shape, $4)
