-- What was pushed to receivers, by sender, model, event and what became of it, with what waits. Reads only.
SELECT destination, test, source_id, model, event_type, outcome, sum(deliveries)::bigint, max(last_received_at)
FROM (
    SELECT destination, test, source_id, model, event_type, outcome, deliveries, last_received_at FROM syncd.traffic
    UNION ALL
    SELECT destination, test, left(coalesce(source_id, ''), 200), left(coalesce(model, ''), 200), left(coalesce(event_type, ''), 200), state, count(*), max(received_at)
    FROM syncd.delivery WHERE state = 'pending' GROUP BY 1, 2, 3, 4, 5, 6
) AS each
GROUP BY destination, test, source_id, model, event_type, outcome
HAVING sum(deliveries) > 0
ORDER BY destination, test, source_id, model, event_type, outcome
