-- Whether a delivery waits that came in from $1 until before $2. Reads only.
SELECT EXISTS (SELECT FROM syncd.delivery WHERE state = 'pending' AND received_at >= $1 AND received_at < $2)
