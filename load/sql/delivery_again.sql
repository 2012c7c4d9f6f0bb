-- Makes a portion of deliveries pending again, those after the number $6 whose bytes are there, and takes them out of the counts of
-- what was settled. Answers the last number of the portion, 0 where there are none left, and how many there were. Locks: those
-- rows, and the counters that they are taken from, in one order.
WITH chosen AS (
    SELECT d.seq, d.state AS outcome
    FROM syncd.delivery AS d JOIN syncd.payload AS p ON p.seq = d.seq AND p.received_at = d.received_at
    WHERE d.destination = $1 AND d.received_at >= coalesce($2::timestamptz, '-infinity') AND d.received_at < coalesce($3::timestamptz, 'infinity')
      AND d.state = ANY ($4::text[]) AND ($5 = '' OR d.model = $5) AND d.seq > $6
    ORDER BY d.seq
    LIMIT $7
    FOR UPDATE OF d
), again AS (
    UPDATE syncd.delivery AS d SET state = 'pending', reason = NULL, run_id = NULL, settled_at = NULL
    FROM chosen WHERE d.seq = chosen.seq
    RETURNING d.seq, d.destination, d.test, coalesce(d.source_id, '') AS source_id, coalesce(d.model, '') AS model,
        coalesce(d.event_type, '') AS event_type, chosen.outcome, d.received_at
), counted AS (
    INSERT INTO syncd.traffic AS t (destination, test, source_id, model, event_type, outcome, deliveries, last_received_at)
    SELECT destination, test, left(source_id, 200), left(model, 200), left(event_type, 200), outcome, 0 - count(*), max(received_at)
    FROM again GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (destination, test, source_id, model, event_type, outcome) DO UPDATE SET deliveries = t.deliveries + excluded.deliveries
)
SELECT coalesce(max(seq), 0), count(*) FROM again
