-- Keeps how many rows each table held when a run ended. Locks: the run's own counts. Idempotent.
INSERT INTO syncd.run_table (run_id, schema_name, table_name, live)
SELECT $1, s, t, n FROM unnest($2::text[], $3::text[], $4::bigint[]) AS u (s, t, n)
ON CONFLICT (run_id, schema_name, table_name) DO UPDATE SET live = excluded.live
