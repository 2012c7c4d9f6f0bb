-- Whatever stands in a job's schemas: relations with their columns, comments, primary keys and valid indexes.
-- Reads the catalogue only.
SELECT n.nspname::text, c.relname::text, c.oid, c.relkind IN ('r', 'p'), coalesce(obj_description(c.oid, 'pg_class'), ''),
       ARRAY(SELECT a.attname::text
             FROM pg_index AS i
             CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number
             WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND k.place <= i.indnkeyatts
             ORDER BY k.place),
       ARRAY(SELECT x.relname::text
             FROM pg_index AS i
             JOIN pg_class AS x ON x.oid = i.indexrelid
             WHERE i.indrelid = c.oid AND i.indisvalid
             ORDER BY 1),
       coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL), '{}'),
       coalesce(array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL), '{}'),
       coalesce(array_agg(coalesce(d.description, '') ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL), '{}'),
       coalesce(array_agg(a.attnum ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL), '{}')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = a.attnum
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY n.nspname, c.relname, c.oid, c.relkind
