-- Deletes the bytes of deliveries of a receiver that came in before an instant and are in one of the states $4, a portion at a
-- time. Locks: those rows.
DELETE FROM syncd.payload AS p
USING (
    SELECT d.seq, d.received_at FROM syncd.delivery AS d JOIN syncd.payload AS b ON b.seq = d.seq AND b.received_at = d.received_at
    WHERE d.destination = $1 AND d.received_at < $2 AND d.state = ANY ($4::text[])
    LIMIT $3
) AS old
WHERE p.seq = old.seq AND p.received_at = old.received_at
