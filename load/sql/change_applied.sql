-- Records a change of structure in the transaction that makes it; one that was pending is settled.
-- Locks: the pending row, if there is one.
WITH settled AS (
    UPDATE syncd.schema_change
    SET state = 'applied', reason = NULL, run_id = $7, applied_at = clock_timestamp()
    WHERE (schema_name, table_name, column_name, kind) = ($1, $2, $3, $4) AND state = 'pending'
    RETURNING change_id
)
INSERT INTO syncd.schema_change (schema_name, table_name, column_name, kind, detail, statement, state, run_id, applied_at)
SELECT $1, $2, $3, $4, $5, $6, 'applied', $7, clock_timestamp()
WHERE NOT EXISTS (SELECT FROM settled)
