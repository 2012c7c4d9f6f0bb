-- What the source of a job kept from its last good run. Reads only.
SELECT body FROM syncd.memo WHERE job = $1
