-- What the ledger knows of the columns in a job's schemas, in the order of their ids. Reads only.
SELECT schema_name, table_name, column_id, column_name, pg_type, is_key, unnamed_at IS NOT NULL, retired_at IS NOT NULL,
       source_name, coalesce(field, ''), coalesce(label, ''), coalesce(choices, ''), coalesce(comment, ''), part, identifier,
       coalesce(called, ''), coalesce(moves_to, ''), renamed, revalued
FROM syncd.column_def
WHERE schema_name = ANY ($1)
ORDER BY schema_name, table_name, column_id
