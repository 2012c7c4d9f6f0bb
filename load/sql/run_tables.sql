-- What a run did to each table. Reads only.
SELECT schema_name, table_name, read, inserted, updated, unchanged, reencoded, superseded, duplicate, rejected, blocked,
       deleted, nonconforming, missing, live
FROM syncd.run_table
WHERE run_id = $1
ORDER BY schema_name, table_name
