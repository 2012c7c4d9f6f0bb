-- Notes that a receiver was verified from outside. Locks: that row. Idempotent.
INSERT INTO syncd.receiver AS r (destination, verified_at, verified_form) VALUES ($1, clock_timestamp(), $2)
ON CONFLICT (destination) DO UPDATE SET verified_at = excluded.verified_at, verified_form = excluded.verified_form
