-- Says what became of deliveries, all of them the same, in the transaction that brings their rows, and counts them. Locks: those
-- rows, and the counters that they add to, in one order.
WITH done AS (
    UPDATE syncd.delivery AS d SET state = $2, reason = $3, run_id = $4, settled_at = $5
    WHERE d.seq = ANY ($1::bigint[]) AND d.state = 'pending'
    RETURNING d.destination, d.test, coalesce(d.source_id, '') AS source_id, coalesce(d.model, '') AS model,
        coalesce(d.event_type, '') AS event_type, d.state, d.received_at
), counted AS (
    INSERT INTO syncd.traffic AS t (destination, test, source_id, model, event_type, outcome, deliveries, last_received_at)
    SELECT destination, test, left(source_id, 200), left(model, 200), left(event_type, 200), state, count(*), max(received_at)
    FROM done GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (destination, test, source_id, model, event_type, outcome) DO UPDATE
        SET deliveries = t.deliveries + excluded.deliveries, last_received_at = greatest(t.last_received_at, excluded.last_received_at)
)
SELECT count(*) FROM done
