-- Deletes the bytes of deliveries, by number. Locks: those rows. Idempotent.
DELETE FROM syncd.payload AS p
USING syncd.delivery AS d
WHERE d.seq = ANY ($1::bigint[]) AND p.seq = d.seq AND p.received_at = d.received_at
