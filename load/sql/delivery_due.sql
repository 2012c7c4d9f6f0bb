-- Whether a receiver has pending deliveries whose bytes are there. Reads only.
SELECT EXISTS (SELECT FROM syncd.delivery WHERE destination = $1 AND test = $2 AND state = 'pending')
