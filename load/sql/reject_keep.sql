-- Keeps rows that could not be stored, once each; one that is known was seen again. Answers how many were not open
-- before. Locks: the rows it writes. Idempotent within the batch's transaction.
WITH sent AS (
    SELECT * FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[])
        AS u (table_name, key_hash, source_key, column_name, rule, sqlstate, raw)
), open AS (
    SELECT count(*) AS n
    FROM sent JOIN syncd.reject AS r USING (table_name, key_hash, column_name, rule)
    WHERE r.job = $1 AND r.resolved_at IS NULL
), kept AS (
    INSERT INTO syncd.reject AS r (job, table_name, key_hash, source_key, column_name, rule, sqlstate, raw, first_run_id, last_run_id)
    SELECT $1, table_name, key_hash, nullif(source_key, ''), column_name, rule, nullif(sqlstate, ''), raw, $2, $2 FROM sent
    ON CONFLICT (job, table_name, key_hash, column_name, rule) DO UPDATE
        SET last_run_id = excluded.last_run_id, last_at = clock_timestamp(), seen = r.seen + 1, source_key = excluded.source_key,
            sqlstate = excluded.sqlstate, raw = excluded.raw, resolved_at = NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM kept) - (SELECT n FROM open)
