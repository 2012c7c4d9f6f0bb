-- Keeps marks in the transaction that commits what they stand for. Locks: those rows. Idempotent.
INSERT INTO syncd.mark (job, name, value, run_id, updated_at)
SELECT $1, n, v, $4, clock_timestamp() FROM unnest($2::text[], $3::text[]) AS u (n, v)
ON CONFLICT (job, name) DO UPDATE SET value = excluded.value, run_id = excluded.run_id, updated_at = excluded.updated_at
