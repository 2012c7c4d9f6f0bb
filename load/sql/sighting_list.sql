-- What processes see of themselves and still holds at $1; of several the one that ends first. Reads only.
SELECT cause, subject, min(seen_at), min(expires_at)
FROM syncd.sighting WHERE good_until > $1
GROUP BY cause, subject
ORDER BY cause, subject
