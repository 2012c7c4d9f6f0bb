-- Pending deliveries of a receiver, oldest first, without those that were handed out: at most $4, and beyond the first at most
-- $5 bytes. Reads only. Never by "seq > n": numbers become visible in any order.
WITH due AS (
    SELECT d.seq, d.dedupe_key, d.body_sha256, d.received_at, d.source_id, d.model, d.event_type, d.event_at
    FROM syncd.delivery AS d
    WHERE d.destination = $1 AND d.test = $2 AND d.state = 'pending' AND d.seq <> ALL ($3::bigint[])
    ORDER BY d.seq
    LIMIT $4
), sized AS (
    SELECT due.*, p.body, sum(octet_length(p.body)) OVER (ORDER BY due.seq) AS total, row_number() OVER (ORDER BY due.seq) AS n
    FROM due JOIN syncd.payload AS p ON p.seq = due.seq AND p.received_at = due.received_at
)
SELECT seq, dedupe_key, body_sha256, received_at, coalesce(source_id, ''), coalesce(model, ''), coalesce(event_type, ''), event_at, body
FROM sized WHERE n = 1 OR total <= $5 ORDER BY seq
