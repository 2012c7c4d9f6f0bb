-- The schema that a job writes, and whether it keeps it from a time when it had another name. Reads only.
SELECT schema_name, renamed_from IS NOT NULL FROM syncd.job WHERE job = $1
