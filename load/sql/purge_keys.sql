-- Names of records that the ledger holds: of a job's ($1) rejects, and those under which records of a schema ($2) were found. Reads only.
SELECT split_part(source_key, '|', 1) FROM syncd.reject WHERE job = $1 AND source_key <> ''
UNION
SELECT old FROM syncd.record_rename WHERE schema_name = $2
UNION
SELECT new FROM syncd.record_rename WHERE schema_name = $2
