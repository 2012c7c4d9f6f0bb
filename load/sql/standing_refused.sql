-- Deliveries that are no tests and could not be read, by receiver, and when the last of them came in. Reads only.
SELECT destination, sum(deliveries)::bigint, max(last_received_at)
FROM syncd.traffic WHERE outcome = 'rejected' AND NOT test
GROUP BY destination HAVING sum(deliveries) > 0
ORDER BY destination
