-- Whether a slot waits to be run. Reads only.
SELECT EXISTS (SELECT FROM syncd.slot WHERE job = $1 AND kind = $2 AND slot_at = $3 AND state = 'due')
