-- The models of which a receiver ever got a delivery. Reads only.
SELECT model FROM syncd.traffic WHERE destination = $1 AND test = $2
UNION
SELECT coalesce(model, '') FROM syncd.delivery WHERE destination = $1 AND test = $2 AND state = 'pending'
