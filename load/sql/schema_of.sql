-- The schema that a job's tables are in. Reads only.
SELECT schema_name FROM syncd.job WHERE job = $1
