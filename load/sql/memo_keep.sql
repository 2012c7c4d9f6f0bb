-- Keeps a source's memo beside its marks. Locks: that row. Idempotent.
INSERT INTO syncd.memo (job, body, run_id) VALUES ($1, $2, $3)
ON CONFLICT (job) DO UPDATE SET body = excluded.body, run_id = excluded.run_id, updated_at = clock_timestamp()
