-- A portion of a receiver's ($1) deliveries after the number $2 whose bytes are there and hold one of the texts $3 (NULL: all), at
-- most $4. Reads only.
SELECT d.seq, d.dedupe_key, d.received_at, coalesce(d.source_id, ''), coalesce(d.model, ''), coalesce(d.event_type, ''), d.event_at, d.test, p.body
FROM syncd.delivery AS d JOIN syncd.payload AS p ON p.seq = d.seq AND p.received_at = d.received_at
WHERE d.destination = $1 AND d.seq > $2
  AND ($3::bytea[] IS NULL OR EXISTS (SELECT FROM unnest($3::bytea[]) AS n WHERE position(n IN p.body) > 0))
ORDER BY d.seq
LIMIT $4
