-- Says of deliveries whose bytes were purged that they were; those that waited are done with. Locks: those rows. Idempotent.
UPDATE syncd.delivery
SET reason = 'purged', state = CASE state WHEN 'pending' THEN 'unhandled' ELSE state END, settled_at = coalesce(settled_at, clock_timestamp())
WHERE seq = ANY ($1::bigint[]) AND reason IS DISTINCT FROM 'purged'
