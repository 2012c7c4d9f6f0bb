-- Records changes of structure that wait, with the reason. Locks: the rows it writes. Idempotent.
INSERT INTO syncd.schema_change AS c (schema_name, table_name, column_name, kind, detail, statement, reason, state, run_id)
SELECT s, t, n, k, d, q, r, 'pending', $8
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS u (s, t, n, k, d, q, r)
ON CONFLICT (schema_name, table_name, column_name, kind) WHERE state = 'pending'
DO UPDATE SET detail = excluded.detail, statement = excluded.statement, reason = excluded.reason, run_id = excluded.run_id
WHERE (c.detail, c.statement, c.reason) IS DISTINCT FROM (excluded.detail, excluded.statement, excluded.reason)
