-- The name that a table has now, by the one that its source has for it. Reads only.
SELECT coalesce((SELECT table_name FROM syncd.table_def WHERE schema_name = $1 AND called = $2), $2)
