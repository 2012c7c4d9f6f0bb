-- How many deliveries of a receiver ($1) came in from $2 until before $3, are in one of the states $4, and have the model $5 (empty:
-- any); and of how many of them the bytes are gone. Reads only.
SELECT count(*), count(*) FILTER (WHERE p.seq IS NULL)
FROM syncd.delivery AS d LEFT JOIN syncd.payload AS p ON p.seq = d.seq AND p.received_at = d.received_at
WHERE d.destination = $1 AND d.received_at >= coalesce($2::timestamptz, '-infinity') AND d.received_at < coalesce($3::timestamptz, 'infinity')
  AND d.state = ANY ($4::text[]) AND ($5 = '' OR d.model = $5)
