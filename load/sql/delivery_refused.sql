-- Deliveries that could not be read, or have no tables, counted by receiver, model, event, state and reason; not those that
-- were left out because they are about people who were purged: nothing is to be done about them. Reads only.
SELECT destination, test, coalesce(model, ''), coalesce(event_type, ''), state, coalesce(reason, ''), count(*), min(received_at), max(received_at)
FROM syncd.delivery
WHERE state IN ('rejected', 'unhandled') AND coalesce(reason, '') NOT IN ('blocked', 'purged') AND ($1 = '' OR destination = $1)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
