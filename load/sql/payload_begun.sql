-- Whether payloads of a month, from $1 until before $2, lie in the default partition: then it can have none of its own. Reads only.
SELECT EXISTS (SELECT FROM syncd.payload_default WHERE received_at >= $1 AND received_at < $2)
