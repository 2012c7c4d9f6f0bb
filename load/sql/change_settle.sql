-- Settles pending changes of a job's schemas that nothing asks for any longer: what stands in the catalogue now was
-- applied by somebody, the rest is withdrawn. Locks: those rows. Idempotent.
UPDATE syncd.schema_change AS c
SET state = CASE WHEN c.kind IN ('retype', 'comment') OR NOT EXISTS (
                     SELECT FROM pg_class AS r JOIN pg_namespace AS n ON n.oid = r.relnamespace
                     LEFT JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attname = c.column_name AND NOT a.attisdropped
                     WHERE n.nspname = c.schema_name AND (r.relname = c.table_name OR c.table_name = '')
                       AND (c.column_name = '' OR (a.attname IS NULL) = (c.kind = 'retire')))
                 THEN 'withdrawn' ELSE 'applied' END,
    applied_at = clock_timestamp(), run_id = $6
WHERE c.state = 'pending' AND c.schema_name = ANY ($1)
  AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS u (s, t, n, k)
                  WHERE (u.s, u.t, u.n, u.k) = (c.schema_name, c.table_name, c.column_name, c.kind))
