-- What the ledger knows of the tables in a job's schemas. Reads only.
SELECT schema_name, table_name, job, source_name, encoding, shape, reshaped, generation, retired_at IS NOT NULL,
       coalesce(called, ''), renamed
FROM syncd.table_def
WHERE schema_name = ANY ($1)
