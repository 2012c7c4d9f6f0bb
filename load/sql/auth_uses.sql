-- Adds to the uses of verification tokens. Locks: those rows, in one order.
INSERT INTO syncd.receiver_token AS t (destination, fingerprint, uses, first_used_at, last_used_at)
SELECT $1, f, n, clock_timestamp(), clock_timestamp() FROM unnest($2::text[], $3::bigint[]) AS u (f, n) ORDER BY f
ON CONFLICT (destination, fingerprint) DO UPDATE SET uses = t.uses + excluded.uses, last_used_at = excluded.last_used_at
