-- The views of a schema that syncd made and that are still there, each with the hash of its words. Reads only.
SELECT d.view_name, d.digest
FROM syncd.view_def AS d
WHERE d.schema_name = $1 AND EXISTS (
    SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = d.schema_name AND c.relname = d.view_name AND c.relkind = 'v'
)
