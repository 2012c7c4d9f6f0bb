-- Receivers that were ever verified or pushed to: when they were verified, what waits, and since when. Reads only.
WITH waiting AS (
    SELECT destination, test, count(*) AS n, min(received_at) AS oldest, max(received_at) AS newest
    FROM syncd.delivery WHERE state = 'pending' GROUP BY destination, test
), known AS (
    SELECT destination FROM syncd.receiver UNION SELECT destination FROM syncd.traffic
    UNION SELECT destination FROM waiting UNION SELECT destination FROM syncd.receiver_token
)
SELECT k.destination, r.verified_at, coalesce(r.verified_form, ''),
       greatest((SELECT max(t.last_received_at) FROM syncd.traffic AS t WHERE t.destination = k.destination AND NOT t.test),
                (SELECT max(w.newest) FROM waiting AS w WHERE w.destination = k.destination AND NOT w.test)),
       coalesce((SELECT sum(w.n) FROM waiting AS w WHERE w.destination = k.destination), 0)::bigint,
       (SELECT min(w.oldest) FROM waiting AS w WHERE w.destination = k.destination)
FROM known AS k LEFT JOIN syncd.receiver AS r USING (destination)
ORDER BY k.destination
